"""A webhook to anybody's server, signed as Standard Webhooks 1.0 says.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md: any 2xx is
success, everything else is tried again but 410, which asks for no more at all, redirects are not
followed, Retry-After is kept to, bodies stay below 20 KB, and `webhook-id` is the same whenever a
message is tried again.
"""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.integration.retry_schedule import Schedule
from domain.json_document import Json
from domain.notification.message import Message
from egress.client import Egress, Reply, frames, is_header
from integrations.channel import ChannelConfig, ChannelOptions, Limits, Outgoing, Signing
from integrations.reply import body_for_record, refusal
from integrations.text import compact, cut, json_bytes
from integrations.webhook.signing import PREFIX, key, new_secret, sign

BODY_BYTES = 20_000 - 1  # "below 20 KB", in the stricter reading
OVERLAP = timedelta(hours=24)
_HEADERS, _NAME_CHARS, _VALUE_CHARS = 20, 100, 1_000
# Standard Webhooks 1.0: ten attempts in 75.6 hours.
PERSISTENT = Schedule((5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))
_ROTATIONS = 4  # earlier secrets that may sign at the same time

_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
# Headers that tell the sender, the content's type or the signature: no config can set them.
_OURS = re.compile(r"content-encoding|content-type|user-agent|webhook-.*")

_PROVED = (
    "it was answered {status}: the address can be reached and takes events. Not proved: that it"
    " checks signatures"
)


def _whsec(secret: SecretStr) -> SecretStr:
    """Require the prefix: without it, a receiver might take the secret for the key's bytes."""
    if not secret.get_secret_value().startswith(PREFIX):
        raise ValueError(f"a signing secret is {PREFIX} and base64 of 24 to 64 bytes")
    key(secret.get_secret_value())
    return secret


def _bounded(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in headers.items():
        if not is_header(name) or len(name) > _NAME_CHARS:
            raise ValueError("a header's name has letters, digits and hyphens, 100 at most")
        if frames(name) or _OURS.fullmatch(name.lower()):
            raise ValueError(f"the header {name} cannot be set")
        if not _VALUE.fullmatch(value.get_secret_value()) or len(value) > _VALUE_CHARS:
            raise ValueError(f"the value of {name} is not 1 to 1,000 printable characters of ASCII")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("two headers have the same name")
    return headers


Secret = Annotated[SecretStr, AfterValidator(_whsec)]


class WebhookConfig(ChannelConfig):
    """Where events go, as whom, and the secret by which the receiver knows that they are ours.

    If `secret` is left out, `completed` makes one before the config is saved. `previousSecrets` are
    those that were rotated out, by the time until which they sign as well. `headers` are added to
    every request, for gateways that ask for a key of their own.
    """

    destinations: ClassVar[frozenset[str]] = frozenset({"url"})

    url: SecretStr = Field(min_length=1, max_length=2_048)  # it may hold a token
    secret: Secret | None = None
    previous_secrets: dict[AwareDatetime, Secret] = Field({}, max_length=_ROTATIONS)
    headers: Annotated[dict[str, SecretStr], AfterValidator(_bounded)] = Field(
        {}, max_length=_HEADERS
    )

    def urls(self) -> tuple[str, ...]:
        return (self.url.get_secret_value(),)

    @cached_property
    def keys(self) -> tuple[tuple[float, bytes], ...]:
        """The keys that sign, each with the time (seconds since 1970) when it ends; the current one
        first."""
        current = [(float("inf"), self.secret)] if self.secret else []
        previous = [(end.timestamp(), secret) for end, secret in self.previous_secrets.items()]
        return tuple((end, key(each.get_secret_value())) for end, each in current + previous)

    @cached_property
    def opened_headers(self) -> dict[str, str]:
        own = {name: value.get_secret_value() for name, value in self.headers.items()}
        return {"content-type": "application/json", **own}


def completed(config_values: Mapping[str, Any]) -> Json:
    """The config, as clients write it, with a new secret where they gave none."""
    given = config_values.get("secret") is not None
    return {**config_values} if given else {**config_values, "secret": new_secret()}


def rotated(config_values: Mapping[str, Any], now: datetime) -> Json:
    """The config with a new secret; the previous one also signs for 24 hours more.

    Both configs are as clients write them, with the secrets in clear.
    """
    ends = {
        datetime.fromisoformat(end): secret
        for end, secret in config_values.get("previousSecrets", {}).items()
    }
    ends[now + OVERLAP] = config_values["secret"]
    latest = sorted(end for end in ends if end > now)[-_ROTATIONS:]
    previous = {end.astimezone(UTC).isoformat(): ends[end] for end in latest}
    return {**config_values, "secret": new_secret(), "previousSecrets": previous}


class Webhook:
    """Sends the delivery's id as the message's: receivers recognise by it what comes twice."""

    kind = "generic_webhook"
    title = "Generic Webhook"
    description = "Custom webhook integration"
    config = WebhookConfig
    options = ChannelOptions
    inbound = None
    signing = Signing("secret", completed, rotated)
    limits = Limits(PERSISTENT, idempotent=True)

    def destination(self, outgoing: Outgoing[WebhookConfig]) -> str:
        return ""

    def recipients(self, outgoing: Outgoing[WebhookConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[WebhookConfig]) -> Json:
        message = outgoing.message
        event = _event(message.event_type, message.created_at, _content(message))
        return event if json_bytes(event) <= BODY_BYTES else _shortened(event)

    async def deliver(
        self, outgoing: Outgoing[WebhookConfig], request: Json, egress: Egress
    ) -> Receipt:
        reply = await _post(outgoing.config, outgoing.message.delivery_id, request, egress)
        return Receipt(True, reply.status, response=body_for_record(reply))

    async def test(self, config: WebhookConfig, egress: Egress) -> list[Check]:
        event = _event("firelater.test", datetime.now(UTC), {"title": "A test of this webhook"})
        try:
            reply = await _post(config, f"test-{uuid4()}", event, egress)
        except DeliveryFailed as error:
            return [Check.failed("signed test event", error)]
        return [Check("signed test event", True, _PROVED.format(status=reply.status))]


def _event(type: str, at: datetime, content: Json) -> Json:
    return {"type": type, "timestamp": at.isoformat(), "data": content}


def _content(message: Message) -> Json:
    return _fields_of(message) | _late(message)


def _late(message: Message) -> Json:
    """What tells that a message is repeated, or late; if it is late, with the newest event of its
    entity that was sent before it."""
    repeated = {"repeated": True} if message.repeated else {}
    latest = message.latest
    if latest is None:
        return repeated
    late = {
        "latestEventType": latest.event_type,
        "latestTitle": latest.title,
        "latestAt": latest.created_at.isoformat(),
    }
    return {**repeated, "late": late}


def _fields_of(message: Message) -> Json:
    return {
        "id": message.delivery_id,
        "notificationId": message.notification_id,
        "eventType": message.event_type,
        "title": message.title,
        "body": message.body,
        "severity": str(message.severity),
        "action": str(message.action),
        "entityType": message.entity_type,
        "entityId": message.entity_id,
        "url": message.url,
        "metadata": message.extra,
    }


def _shortened(event: Json) -> Json:
    """Shorten an event that is too long: cut the body, and if that is not enough, leave out first
    the metadata and then the link."""
    content = event["data"] | {"truncated": True}
    stages: tuple[Json, ...] = ({}, {"metadata": {}}, {"url": None})
    for given_up in stages:
        content |= given_up
        rest = json_bytes(event | {"data": content | {"body": ""}})
        if rest <= BODY_BYTES:
            break
    # The rest counts the two quotes of an empty body.
    content["body"] = cut(content["body"], BODY_BYTES - rest + 2, json_bytes)
    return event | {"data": content}


async def _post(config: WebhookConfig, id: str, event: Json, egress: Egress) -> Reply:
    """Raises DeliveryFailed unless the answer is a 2xx."""
    now, content = time.time(), compact(event)
    keys = [key for end, key in config.keys if now < end]
    if not keys:
        raise DeliveryFailed(Failure(FailureClass.MISCONFIGURED, "it has no secret to sign with"))
    headers = {
        **config.opened_headers,
        "webhook-id": id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": sign(keys, id, int(now), content),
    }
    url = config.url.get_secret_value()
    reply = await egress.send("POST", url, headers, content, whole=False, repeatable=True)
    if not 200 <= reply.status < 300:
        raise _refused(reply)
    return reply


def _refused(reply: Reply) -> DeliveryFailed:
    """A receiver is anybody's program behind anybody's proxy: of its statuses only 410 is final."""
    if reply.status == 410:
        detail = "the receiver answered 410: it wants no more messages"
        return refusal(reply, detail, FailureClass.PERMANENT, endpoint_gone=True)
    if 300 <= reply.status < 400:
        return refusal(reply, f"the receiver answered {reply.status}: redirects are not followed")
    return refusal(reply, f"the receiver answered {reply.status}")
