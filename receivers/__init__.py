"""Stand-ins for the vendors on this machine: for `firelater receivers up`, the demo, tests and
benchmarks. RECEIVERS has those that speak HTTP; the mail server is in receivers/smtp.py."""

from receivers.jira.receiver import JiraReceiver
from receivers.opsgenie import OpsgenieReceiver
from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import Receiver
from receivers.servicenow import ServiceNowReceiver
from receivers.slack import SlackReceiver
from receivers.teams import TeamsReceiver
from receivers.webhook import WebhookReceiver

_HTTP: tuple[type[Receiver], ...] = (
    PagerDutyReceiver,
    SlackReceiver,
    TeamsReceiver,
    WebhookReceiver,
    JiraReceiver,
    OpsgenieReceiver,
    ServiceNowReceiver,
)

RECEIVERS: dict[str, type[Receiver]] = {receiver.kind: receiver for receiver in _HTTP}
