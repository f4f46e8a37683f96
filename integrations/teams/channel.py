"""Microsoft Teams, through a workflow (Power Automate) "When a Teams webhook request is received".

Source: support.microsoft.com, "Create incoming webhooks with Workflows for Microsoft Teams". Its
URL is called unchanged: its `sig` is a secret that signs the rest. 202 means that the flow's run
was accepted; whether it posted is in the flow's own history. A flow with a Response action answers
what that says instead, once the steps before it are done. The Office 365 connectors of before, with
URLs at webhook.office.com, were retired in May 2026.
"""

import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from pydantic import AfterValidator, Field, SecretStr

from domain.integration.outcome import Check, DeliveryFailed, FailureClass, Receipt
from domain.integration.rate import Rate
from domain.integration.retry_schedule import PROMPT
from domain.json_document import Json
from domain.notification.event import Action, Severity
from domain.notification.message import Message
from egress.client import Egress, Reply
from integrations.channel import ChannelConfig, ChannelOptions, Limits, Outgoing, url_and_host
from integrations.reply import (
    body_for_record,
    error_code,
    is_page,
    json_object,
    of_the_content,
    refusal,
)
from integrations.teams.card import envelope
from integrations.text import compact

_RETIRED_HOSTS = re.compile(r"(.+\.)?webhook\.office\.com|outlook\.office365\.com")
_SIGNED_HOSTS = re.compile(r".+\.(logic\.azure\.com|environment\.api\.powerplatform\.com)")

_RETIRED = (
    "this is an Office 365 connector, which Microsoft has retired. In Teams, add the workflow"
    ' "Send webhook alerts to a channel" to the channel (Workflows), and give the URL it shows'
)
_ADVICE = {  # what the tenant can mend, at the flow or in the integration
    "DirectApiAuthorizationRequired": ": the URL lacks its signature (sig), or the workflow does"
    " not let anyone trigger it",
    "TriggerInputSchemaMismatch": ": the workflow's trigger does not take Teams' messages",
    "MissingApiVersionParameter": ": the URL is incomplete: copy it again, from the workflow",
    "WorkflowNotFound": ": the workflow was deleted: make another, and give the URL it shows",
    "WorkflowTriggerIsNotEnabled": ": the workflow is turned off: turn it on again",
}
_PROVED = {
    False: "a test card was answered {status}: the workflow is there, takes the"
    " URL's signature, and has accepted a run. Not proved: that the run posts the card. Look for it"
    " in the channel, or for the run in the workflow's history",
    True: "a test card was answered {status} by the workflow's Response action:"
    " the steps before it are done. Not proved: that the step that posts is one of them",
}
_RUN = "x-ms-workflow-run-id"


def _workflow(secret: SecretStr) -> SecretStr:
    url, host = url_and_host(secret)
    at_outlook = host == "outlook.office.com" and url.path.startswith("/webhook")
    if at_outlook or _RETIRED_HOSTS.fullmatch(host):
        raise ValueError(_RETIRED)
    if "&amp;" in secret.get_secret_value():
        raise ValueError("the URL is written as in HTML (&amp;): copy it again, from the workflow")
    if _SIGNED_HOSTS.fullmatch(host) and not re.search(r"(^|&)sig=.", url.query):
        raise ValueError("the URL has no sig=…: let anyone trigger the workflow, and copy it again")
    return secret


class TeamsConfig(ChannelConfig):
    """The URL of a workflow that anyone who has it can trigger: all of it is a secret."""

    webhook_url: Annotated[SecretStr, AfterValidator(_workflow)] = Field(
        min_length=1, max_length=2_048
    )

    def urls(self) -> tuple[str, ...]:
        return (self.webhook_url.get_secret_value(),)


class Teams:
    """Deliveries end as accepted, or as delivered if the workflow has a Response action."""

    kind = "teams"
    title = "Microsoft Teams"
    description = "Send notifications to Teams channels"
    config = TeamsConfig
    options = ChannelOptions
    signing = None
    inbound = None
    limits = Limits(PROMPT, idempotent=False, rate=Rate(4, 1.0), linked=True)

    def destination(self, outgoing: Outgoing[TeamsConfig]) -> str:
        return ""

    def recipients(self, outgoing: Outgoing[TeamsConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[TeamsConfig]) -> Json:
        return envelope(outgoing.message)

    async def deliver(
        self, outgoing: Outgoing[TeamsConfig], request: Json, egress: Egress
    ) -> Receipt:
        """The receipt's reference finds the run in the workflow's history."""
        reply = await _trigger(outgoing.config, request, egress)
        run = reply.headers.get(_RUN, "")
        reference = {"workflow_run_id": run} if re.fullmatch(r"[!-~]{1,100}", run) else None
        return Receipt(_is_confirmed(reply), reply.status, reference, body_for_record(reply))

    async def test(self, config: TeamsConfig, egress: Egress) -> list[Check]:
        """Post a test card, as nothing less proves anything."""
        try:
            reply = await _trigger(config, envelope(_test_message()), egress)
        except DeliveryFailed as error:
            return [Check.failed("test card", error)]
        return [Check("test card", True, _PROVED[_is_confirmed(reply)].format(status=reply.status))]


def _is_confirmed(reply: Reply) -> bool:
    """Whether a Response action answered: with a run's id, and not with the trigger's 202."""
    return reply.status != 202 and _RUN in reply.headers


def _test_message() -> Message:
    id = str(uuid4())
    return Message(
        delivery_id=id,
        notification_id=id,
        event_type="firelater.test",
        action=Action.TRIGGER,
        severity=Severity.INFO,
        title="FireLater test: please ignore",
        body="Somebody tests the connection of FireLater to this channel. Nothing has happened.",
        alert_key=id,
        created_at=datetime.now(UTC),
    )


async def _trigger(config: TeamsConfig, card: Json, egress: Egress) -> Reply:
    """Raises DeliveryFailed unless the workflow answers a 2xx. An HTML page counts as an answer of
    the workflow only if it comes with a run's id."""
    headers = {"content-type": "application/json"}
    url = config.webhook_url.get_secret_value()
    reply = await egress.send("POST", url, headers, compact(card))
    if 200 <= reply.status < 300 and (_RUN in reply.headers or not is_page(reply)):
        return reply
    code = _code(reply)
    why = f" ({code}{_ADVICE.get(code, '')})" if code else ""
    raise refusal(reply, f"the workflow answered {reply.status}{why}", _kind(reply, code))


def _kind(reply: Reply, code: str | None) -> FailureClass:
    if code in _ADVICE and reply.status < 500:
        return FailureClass.MISCONFIGURED
    return of_the_content(reply)


def _code(reply: Reply) -> str | None:
    """The code of the error, as in `{"error": {"code": …}}`."""
    error = json_object(reply).get("error")
    return error_code(error.get("code")) if isinstance(error, dict) else None
