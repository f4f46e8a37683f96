"""Microsoft Teams, through a workflow (Power Automate) "When a Teams webhook request is received".

Source: support.microsoft.com, "Create incoming webhooks with Workflows for Microsoft Teams". Its
URL is called as it is given: `sig` is a secret that signs the rest. 202 means that the flow's run
was accepted; whether it posted is in the flow's own history. The Office 365 connectors of before,
with URLs at webhook.office.com, were retired in May 2026.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from pydantic import AfterValidator, Field, SecretStr

from channels.channel import ChannelConfig, ChannelOptions, Limits, Outgoing, url_and_host
from channels.egress import Egress, Reply
from channels.reply import error_code, json_object, kept, refusal
from channels.teams_card import envelope
from channels.text import compact
from domain.delivery import PROMPT, Check, DeliveryFailed, DeliveryStatus, Rate, Receipt
from domain.message import Message
from domain.notification import Action, Severity

_RETIRED_HOSTS = re.compile(r"(.+\.)?webhook\.office\.com|outlook\.office365\.com")
_SIGNED_HOSTS = re.compile(r".+\.(logic\.azure\.com|environment\.api\.powerplatform\.com)")

_RETIRED = (
    "this is an Office 365 connector, which Microsoft has retired. In Teams, add the workflow"
    ' "Send webhook alerts to a channel" to the channel (Workflows), and give the URL it shows'
)
_ADVICE = {
    "DirectApiAuthorizationRequired": ": the URL lacks its signature (sig), or the workflow does"
    " not let anyone trigger it",
    "TriggerInputSchemaMismatch": ": the workflow's trigger takes another content than Teams'",
}
_PROVED = (
    "a test card was answered 202: the workflow is there, takes the URL's signature, and has"
    " accepted a run. Not proved: that the run posts the card. Look for it in the channel, or for"
    " the run in the workflow's history"
)
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
    """Accepted is all that a delivery can be: Teams tells nobody whether it posted a card."""

    kind = "teams"
    title = "Microsoft Teams"
    config = TeamsConfig
    options = ChannelOptions
    limits = Limits(PROMPT, keyed=False, rate=Rate(4, 1.0))

    def destination(self, outgoing: Outgoing[TeamsConfig]) -> str:
        return ""

    def recipients(self, outgoing: Outgoing[TeamsConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[TeamsConfig]) -> dict[str, Any]:
        return envelope(outgoing.message)

    async def deliver(
        self, outgoing: Outgoing[TeamsConfig], request: dict[str, Any], egress: Egress
    ) -> Receipt:
        """The receipt's reference finds the run in the workflow's history."""
        reply = await _trigger(outgoing.config, request, egress)
        run = reply.headers.get(_RUN, "")
        reference = {"workflow_run_id": run} if re.fullmatch(r"[!-~]{1,100}", run) else None
        return Receipt(DeliveryStatus.ACCEPTED, reply.status, reference, kept(reply))

    async def test(self, config: TeamsConfig, egress: Egress) -> list[Check]:
        """Nothing but a real card proves anything."""
        try:
            await _trigger(config, envelope(_test_message()), egress)
        except DeliveryFailed as error:
            return [Check.failed("test card", error)]
        return [Check("test card", True, _PROVED)]


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


async def _trigger(config: TeamsConfig, card: dict[str, Any], egress: Egress) -> Reply:
    """Raises DeliveryFailed unless the workflow accepts a run."""
    headers = {"content-type": "application/json"}
    url = config.webhook_url.get_secret_value()
    reply = await egress.send("POST", url, headers, compact(card))
    if reply.status != 202:
        raise refusal(reply, f"the workflow answered {reply.status}{_why(reply)}")
    return reply


def _why(reply: Reply) -> str:
    """The code of the error, as in `{"error": {"code": …}}`, with what can be done about it."""
    error = json_object(reply).get("error")
    code = error_code(error.get("code")) if isinstance(error, dict) else None
    return f" ({code}{_ADVICE.get(code, '')})" if code else ""
