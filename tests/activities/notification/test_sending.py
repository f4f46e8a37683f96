"""What the record of an attempt keeps, for public vendors, whose answers are shown."""

import base64
import json
import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from activities.integration.target import Target
from activities.notification.limiter import PROBE_AFTER, ConcurrencyLimiter
from activities.notification.sending import Attempt, send
from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.integration.retry_schedule import PROMPT
from domain.notification.message import Latest
from domain.redaction import Redactor
from domain.tenant import TenantId
from egress.client import Egress, egress
from integrations.channel import ChannelConfig, ChannelOptions, Limits, Outgoing
from storage.notification.claimed import Claimed
from tests.integrations.examples import NOTIFICATION

NOW = datetime.now(UTC)
SECRET = "canary-secret-of-the-test"
UNKEPT = "\0\ud800"
_QUOTED = f"{SECRET} {base64.b64encode(SECRET.encode()).decode()} {UNKEPT}"


class Quoting:
    """A vendor that quotes everything it was sent, and refuses the message if told to."""

    kind = title = description = "quoting"
    config = ChannelConfig
    options = ChannelOptions
    signing = None
    inbound = None
    limits = Limits(PROMPT, idempotent=True)

    def __init__(self, kind: FailureClass | None) -> None:
        self._kind = kind

    def destination(self, outgoing: Outgoing[ChannelConfig]) -> str:
        return ""

    def recipients(self, outgoing: Outgoing[ChannelConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[ChannelConfig]) -> dict[str, Any]:
        return {"text": outgoing.message.title, "key": SECRET}

    async def deliver(
        self, outgoing: Outgoing[ChannelConfig], request: dict[str, Any], egress: Egress
    ) -> Receipt:
        if self._kind is None:
            return Receipt(True, 200, {"id": _QUOTED}, _QUOTED * 2_000)
        raise DeliveryFailed(Failure(self._kind, _QUOTED, 500, response=_QUOTED * 2_000))

    async def test(self, config: ChannelConfig, egress: Egress) -> list[Check]:
        return []


@pytest.mark.parametrize("kind", [None, *FailureClass])
async def test_the_record_holds_no_secret_and_no_unstorable_character(
    kind: FailureClass | None,
) -> None:
    id, channel = UUID(int=1), Quoting(kind)
    target = Target(TenantId("a" * 26), id, channel, ChannelConfig(), Redactor({"key": SECRET}))
    claimed = Claimed(id, id, 1, 0, {}, "", NOTIFICATION, 0.0, NOW)
    async with egress("") as out:
        outcome = await send(Attempt(claimed, target), out, ConcurrencyLimiter(), 0.0)
    shown = repr(tuple(outcome))
    assert "[redacted]" in shown
    assert "canary" not in shown
    assert base64.b64encode(SECRET.encode()).decode()[:20] not in shown
    assert "\\x00" not in shown
    assert "\\ud800" not in shown
    assert len(outcome.response) == 20_000


class Faulty(Quoting):
    """A channel with a programming error, before the send or during it."""

    def __init__(self, *, sends: bool) -> None:
        super().__init__(None)
        self._sends = sends

    def request(self, outgoing: Outgoing[ChannelConfig]) -> dict[str, Any]:
        if not self._sends:
            raise LookupError("no such field")
        return {}

    async def deliver(
        self, outgoing: Outgoing[ChannelConfig], request: dict[str, Any], egress: Egress
    ) -> Receipt:
        raise LookupError("no such field")


@pytest.mark.parametrize("sends", [False, True])
async def test_a_fault_of_ours_is_logged_and_counts_as_sent_only_if_it_may_be(
    sends: bool, caplog: pytest.LogCaptureFixture
) -> None:
    id, channel = UUID(int=1), Faulty(sends=sends)
    target = Target(TenantId("a" * 26), id, channel, ChannelConfig(), Redactor({}))
    claimed = Claimed(id, id, 1, 0, {}, "", NOTIFICATION, 0.0, NOW)
    async with egress("") as out:
        outcome = await send(Attempt(claimed, target), out, ConcurrencyLimiter(), 0.0)
    assert (outcome.kind, outcome.maybe_sent) == (FailureClass.TRANSIENT, sends)
    assert outcome.error == "unexpected LookupError; the worker's log has its message"
    [logged] = caplog.records
    assert logged.exc_info is not None
    assert isinstance(logged.exc_info[1], LookupError)
    assert str(id) in logged.getMessage()


class Echoing(Quoting):
    """A vendor that repeats the title and uses our message id as its own."""

    def request(self, outgoing: Outgoing[ChannelConfig]) -> dict[str, Any]:
        return {"title": outgoing.message.title, "token": "ab", "ours": outgoing.message.extra}

    async def deliver(
        self, outgoing: Outgoing[ChannelConfig], request: dict[str, Any], egress: Egress
    ) -> Receipt:
        said = f"took {request['title']!r}; your password is 'orders'"
        if self._kind is None:
            return Receipt(True, 200, {"id": "<1@orders.example>"}, said)
        raise DeliveryFailed(Failure(self._kind, said, 500, response=said))


@pytest.mark.parametrize("kind", [None, FailureClass.TRANSIENT])
@pytest.mark.parametrize(
    "secrets",
    [{}, {"password": "orders"}, {"url": "https://h.example/hooks/orders", "h": {"X-Env": "slow"}}],
)
async def test_the_record_is_what_was_sent(
    secrets: dict[str, Any], kind: FailureClass | None
) -> None:
    """The record of an event is the same whatever words the integration's secrets are."""
    id, channel = UUID(int=1), Echoing(kind)
    target = Target(TenantId("a" * 26), id, channel, ChannelConfig(), Redactor(secrets))
    row = NOTIFICATION | {"title": "Slow orders, slow database", "metadata": {"token": "x"}}
    claimed = Claimed(id, id, 1, 0, {}, "", row, 0.0, NOW)
    async with egress("") as out:
        outcome = await send(Attempt(claimed, target), out, ConcurrencyLimiter(), 0.0)
    ours = {"title": row["title"], "token": "ab", "ours": {"token": "x"}}
    assert json.loads(outcome.request) == ours
    hidden = "password" in secrets
    said = f"took {row['title']!r}; your password is '{'[redacted]' if hidden else 'orders'}'"
    assert outcome.response == said
    if kind is None:
        assert outcome.reference == {"id": "<1@orders.example>"}
    else:
        assert outcome.error == said


class Calling(Quoting):
    """A vendor, or a mail server, with a host name."""

    def __init__(self, *, mail: bool) -> None:
        super().__init__(None)
        self._mail = mail

    async def deliver(
        self, outgoing: Outgoing[ChannelConfig], request: dict[str, Any], egress: Egress
    ) -> Receipt:
        if self._mail:
            await egress.open_socket("mail.example.com", 25)
        await egress.send("POST", "https://hooks.example.com", {})
        raise AssertionError("it has no address")


@pytest.mark.parametrize("mail", [False, True], ids=["url", "mail server"])
async def test_an_endpoint_that_no_connection_comes_to_is_probed(mail: bool) -> None:
    """A connection that never opens holds a send as long as one that stays silent."""
    id, answer, limiter = UUID(int=1), threading.Event(), ConcurrencyLimiter()
    target = Target(TenantId("a" * 26), id, Calling(mail=mail), ChannelConfig(), Redactor({}))
    claimed = Claimed(id, id, 1, 0, {}, "", NOTIFICATION, 0.0, NOW)

    def lookup(_: str) -> list[str]:
        answer.wait()
        return []

    async with egress("", lookup=lookup, total=0.15) as out:
        for _ in range(PROBE_AFTER):
            assert not limiter.is_probing(id)
            outcome = await send(Attempt(claimed, target), out, limiter, 0.0)
        answer.set()
    assert limiter.is_probing(id)
    assert (outcome.kind, outcome.maybe_sent) == (FailureClass.TRANSIENT, False)


async def test_an_endpoint_that_fails_at_once_is_not_probed() -> None:
    id, limiter = UUID(int=1), ConcurrencyLimiter()
    target = Target(TenantId("a" * 26), id, Calling(mail=False), ChannelConfig(), Redactor({}))
    claimed = Claimed(id, id, 1, 0, {}, "", NOTIFICATION, 0.0, NOW)
    async with egress("", lookup=lambda _: []) as out:
        for _ in range(PROBE_AFTER):
            await send(Attempt(claimed, target), out, limiter, 0.0)
    assert not limiter.is_probing(id)


LATEST = Latest("incident.resolved", "All well", NOTIFICATION["created_at"])


@pytest.mark.parametrize(
    ("idempotent", "stateful", "says"),
    [(True, True, False), (True, False, True), (False, False, True)],
    ids=["an alert", "a webhook", "a chat"],
)
def test_a_message_says_that_it_is_late_or_may_have_come_before(
    idempotent: bool, stateful: bool, says: bool
) -> None:
    id, channel = UUID(int=1), Quoting(None)
    channel.limits = Limits(PROMPT, idempotent=idempotent, stateful=stateful)
    target = Target(TenantId("a" * 26), id, channel, ChannelConfig(), Redactor({}))
    claimed = Claimed(
        *(id, id, 2, 1, {}, "", NOTIFICATION, 0.0, NOW), rank=1, repeated=True, latest=LATEST
    )
    said = Attempt(claimed, target).outgoing().message
    assert said.severity == "critical"
    assert said.repeated is says
    assert said.latest is not None
    assert said.latest.title == "All well"
