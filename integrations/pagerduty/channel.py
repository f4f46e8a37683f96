"""PagerDuty, Events API v2: alerts that are triggered, acknowledged and resolved by a key.

Source: developer.pagerduty.com, "Events API v2 overview" and "Send an alert event". The vendor
answers 202, wants no retry of a 400, and allows about 120 events a minute for each key. Events of
one `dedup_key` join one open alert, so that a delivery may come twice.
"""

import hashlib
import re
from uuid import uuid4

from pydantic import SecretStr

from domain.integration.outcome import Check, DeliveryFailed, FailureClass, Receipt
from domain.integration.rate import Rate
from domain.integration.retry_schedule import PROMPT
from domain.json_document import Json
from domain.notification.event import Action
from domain.notification.message import Message
from egress.client import Egress, Reply
from integrations.channel import ChannelOptions, Limits, Outgoing
from integrations.pagerduty.config import PagerDutyConfig
from integrations.pagerduty.inbound import PagerDutyInbound
from integrations.reply import (
    body_for_record,
    is_page,
    json_object,
    of_the_content,
    refusal,
    undocumented,
)
from integrations.text import compact, cut, json_bytes, link, one_line

SUMMARY_CHARS, DEDUP_KEY_CHARS = 1_024, 255
EVENT_BYTES = 512_000  # the vendor's "512 KB", key included, in the stricter reading
_KEY_BYTES = len(',"routing_key":""') + 32
_DETAIL_CHARS, _URL_CHARS = 500, 2_048
_LINK = "View in FireLater"
_PROVED = (
    "PagerDuty took a resolve event of an alert that does not exist (202): it can be reached and"
    " took the key; nothing was opened and nobody was paged. Not proved: that the service is"
    " enabled and not in maintenance, and that anybody is on call"
)


class PagerDuty:
    """Sends deliveries as events; the recorded request lacks the key, which is a secret."""

    kind = "pagerduty"
    title = "PagerDuty"
    description = "Trigger incidents in PagerDuty"
    config = PagerDutyConfig
    options = ChannelOptions
    signing = None
    inbound = PagerDutyInbound()
    limits = Limits(PROMPT, idempotent=True, rate=Rate(120, 60.0), stateful=True)

    def destination(self, outgoing: Outgoing[PagerDutyConfig]) -> str:
        return ""

    def recipients(self, outgoing: Outgoing[PagerDutyConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[PagerDutyConfig]) -> Json:
        message = outgoing.message
        event = {"event_action": str(message.action), "dedup_key": dedup_key(message.alert_key)}
        if message.action is not Action.TRIGGER:
            return event
        return _fitting(event | _trigger(message, outgoing.config))

    async def deliver(
        self, outgoing: Outgoing[PagerDutyConfig], request: Json, egress: Egress
    ) -> Receipt:
        reply = await _enqueue(outgoing.config, request, egress)
        confirmed = json_object(reply).get("status") == "success"
        reference = {"dedup_key": request["dedup_key"]}
        return Receipt(confirmed, reply.status, reference, body_for_record(reply))

    async def test(self, config: PagerDutyConfig, egress: Egress) -> list[Check]:
        checks = [
            Check("integration key format", True, "32 letters and digits"),
            await _check_events(config, egress),
        ]
        if config.rest_api_key is not None:
            checks.append(await _check_rest_key(config, config.rest_api_key, egress))
        return checks


def dedup_key(alert_key: str) -> str:
    """The alert's key; if it is too long, its beginning and a hash, which keeps it unique."""
    if len(alert_key) <= DEDUP_KEY_CHARS:
        return alert_key
    digest = hashlib.sha256(alert_key.encode()).hexdigest()
    return f"{alert_key[: DEDUP_KEY_CHARS - len(digest) - 1]}~{digest}"


def _trigger(message: Message, config: PagerDutyConfig) -> Json:
    component = config.component or one_line(message.entity_type or "")
    url = link(message.url, _URL_CHARS)  # a URL that is no link still stands in the metadata
    return {
        "payload": {
            "summary": cut(one_line(message.title) or message.event_type, SUMMARY_CHARS),
            "source": config.source,
            "severity": str(message.severity),
            "timestamp": message.created_at.isoformat(),
            **({"component": component} if component else {}),
            "group": config.group or message.event_type,
            "class": config.class_ or message.event_type,
            "custom_details": _details(message),
        },
        "client": "FireLater",
        **({"client_url": url, "links": [{"href": url, "text": _LINK}]} if url else {}),
    }


def _details(message: Message) -> Json:
    """The custom details, flat, as event rules read them (`custom_details.entity_type`). Where the
    event's metadata has one of our names, its value replaces ours."""
    ours = {
        "event_type": message.event_type,
        "entity_type": message.entity_type,
        "entity_id": message.entity_id,
        "body": message.body,
        "user_name": message.user_name,
        "user_email": message.recipient,
    }
    return {name: said for name, said in ours.items() if said} | message.extra


def _fitting(event: Json) -> Json:
    """Cut the body of an event that is too large; nothing else can make it so, as all metadata has
    16 KiB at most."""
    excess = json_bytes(event) + _KEY_BYTES - EVENT_BYTES
    details = event["payload"]["custom_details"]
    if excess > 0 and isinstance(details.get("body"), str):
        details["body"] = cut(details["body"], json_bytes(details["body"]) - excess, json_bytes)
    return event


async def _enqueue(config: PagerDutyConfig, event: Json, egress: Egress) -> Reply:
    """Raises DeliveryFailed unless PagerDuty takes the event."""
    key = config.integration_key.get_secret_value()
    content = compact({"routing_key": key, **event})
    headers = {"content-type": "application/json", "accept": "application/json"}
    reply = await egress.send("POST", config.events_url, headers, content, repeatable=True)
    if not 200 <= reply.status < 300 or is_page(reply):
        reasons = _reasons(reply)
        detail = f"PagerDuty answered {reply.status}{f': {reasons}' if reasons else ''}"
        kind = _kind(reply, reasons)
        raise refusal(reply, config.redactor.text(detail)[:_DETAIL_CHARS], kind)
    return reply


def _kind(reply: Reply, reasons: str) -> FailureClass:
    """The class of a refusal: the tenant can mend a bad key; any other 400 blames the event."""
    if reply.status == 400 and re.search("routing.?key", reasons, re.IGNORECASE):
        return FailureClass.MISCONFIGURED
    return of_the_content(reply)


def _reasons(reply: Reply) -> str:
    """What is wrong with the event in the vendor's words, which might quote the key."""
    said = json_object(reply)
    errors = said.get("errors") or said.get("message")
    why = "; ".join(map(str, errors)) if isinstance(errors, list) else errors
    return why if isinstance(why, str) else ""


async def _check_events(config: PagerDutyConfig, egress: Egress) -> Check:
    """A resolve of an alert that does not exist is dropped, as documented: nobody notices it."""
    probe = {"event_action": "resolve", "dedup_key": f"probe-{uuid4()}"}
    try:
        await _enqueue(config, probe, egress)
    except DeliveryFailed as error:
        return Check.failed("Events API takes the key", error)
    return Check("Events API takes the key", True, _PROVED)


async def _check_rest_key(config: PagerDutyConfig, key: SecretStr, egress: Egress) -> Check:
    headers = {
        "authorization": f"Token token={key.get_secret_value()}",
        "accept": "application/vnd.pagerduty+json;version=2",
    }
    try:
        reply = await egress.send("GET", config.abilities_url, headers)
    except DeliveryFailed as error:
        return Check.failed("REST key valid", error)
    if reply.status == 200:
        detail = "the REST API takes it; this proves nothing about the integration key"
        return Check("REST key valid", True, detail)
    detail = f"the REST API answered {reply.status}"
    return Check("REST key valid", False, detail, undocumented(reply.status))
