"""All types of integration by kind. A new one needs a folder, a line here, and an example."""

from typing import Any

from integrations.channel import Channel
from integrations.email.channel import Email
from integrations.jira.channel import Jira
from integrations.opsgenie.channel import Opsgenie
from integrations.pagerduty.channel import PagerDuty
from integrations.servicenow.channel import ServiceNow
from integrations.slack.channel import Slack
from integrations.teams.channel import Teams
from integrations.webhook.channel import Webhook

_ALL: tuple[Channel[Any], ...] = (
    Email(),
    Jira(),
    Opsgenie(),
    PagerDuty(),
    ServiceNow(),
    Slack(),
    Teams(),
    Webhook(),
)

CHANNELS: dict[str, Channel[Any]] = {channel.kind: channel for channel in _ALL}
