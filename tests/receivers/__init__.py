"""The vendors' endpoints on this machine, for tests, the demo and `firelater receivers up`."""

from tests.receivers.pagerduty import PagerDutyReceiver
from tests.receivers.receiver import Receiver
from tests.receivers.slack import SlackReceiver
from tests.receivers.teams import TeamsReceiver
from tests.receivers.webhook import WebhookReceiver

_HTTP: tuple[type[Receiver], ...] = (
    PagerDutyReceiver,
    SlackReceiver,
    TeamsReceiver,
    WebhookReceiver,
)

RECEIVERS: dict[str, type[Receiver]] = {receiver.kind: receiver for receiver in _HTTP}
