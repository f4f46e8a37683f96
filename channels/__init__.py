"""Every channel by its kind. Adding one: its file, its line here, its example in examples/."""

from typing import Any

from channels.channel import Channel
from channels.email import Email
from channels.pagerduty import PagerDuty
from channels.slack import Slack
from channels.teams import Teams
from channels.webhook import Webhook

_ALL: tuple[Channel[Any], ...] = (Email(), PagerDuty(), Slack(), Teams(), Webhook())

CHANNELS: dict[str, Channel[Any]] = {channel.kind: channel for channel in _ALL}
