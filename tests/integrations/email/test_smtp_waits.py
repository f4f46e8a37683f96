"""Time limits of a mail's steps, and the outcome when they pass."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from egress.client import egress
from integrations.email.config import EmailConfig
from integrations.email.smtp import Conversation
from integrations.email.smtp_waits import Waits
from integrations.oauth import Tokens
from receivers.smtp import SmtpReceiver, serving
from tests.integrations.email.mailing import SENDER, Post, posting
from tests.integrations.wire import Serve, listening, loopback

SLOW = 0.4  # seconds that a server takes
SHORT = 0.2  # seconds that a call over HTTP may take, which is none of a mail's business
STEPS = ["CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "."]


@asynccontextmanager
async def slowly(**delays: float) -> AsyncIterator[Post]:
    receiver = SmtpReceiver()
    receiver.delays = delays
    async with serving(receiver), egress(receiver.allowed, total=SHORT) as out:
        config = {"host": "127.0.0.1", "port": receiver.port, "fromAddress": SENDER}
        config |= {"username": receiver.username, "password": receiver.password}
        yield Post(receiver, out, config | {"to": ["ops@example.com"]})


@pytest.mark.parametrize("step", STEPS)
async def test_a_server_that_is_slow_at_any_step_takes_the_mail_once(step: str) -> None:
    async with slowly(**{step: SLOW}) as post:
        receipt = await post.send()
        assert not receipt.confirmed
        assert len(post.receiver.received) == 1


async def test_a_tarpit_gets_its_time() -> None:
    """As of old rows, one mail for many recipients; each answer alone is in time."""
    async with slowly(RCPT=0.05) as post:
        to = [f"person{n}@example.com" for n in range(20)]
        await post.send(options={"to": to})
        assert post.mail.recipients == tuple(to)


async def test_a_late_greeting_is_not_a_late_answer_to_the_mail() -> None:
    """The time before a mail does not count against the ten minutes for its answer."""
    async with slowly(CONNECT=SLOW, **{".": 2 * SLOW}) as post:
        post.waits = replace(Waits(), before=1.5 * SLOW)
        assert not (await post.send()).confirmed


def test_the_waits_are_those_of_the_standard() -> None:
    """RFC 5321 4.5.3.2.1 to .6, and what one send comes to at most: docs/delivery.md says it."""
    waits = Waits()
    steps = (waits.greeting, waits.command, waits.data, waits.block, waits.taken)
    assert steps == (300, 300, 120, 180, 600)
    assert waits.before + waits.content + waits.taken == 25 * 60


@pytest.mark.parametrize("step", STEPS)
async def test_each_step_has_a_bound_of_its_own(step: str) -> None:
    names = {
        "CONNECT": "greeting",
        "EHLO": "command",
        "STARTTLS": "encryption",
        "AUTH": "command",
        "MAIL": "command",
        "RCPT": "command",
        "DATA": "data",
        ".": "taken",
    }
    async with posting(SmtpReceiver()) as post:
        post.waits = replace(Waits(), **{names[step]: 0.3})
        post.receiver.replies[step] = "hang"
        failure = await post.failure()
    assert (failure.kind, failure.maybe_sent) == (FailureClass.TRANSIENT, step == ".")
    assert "in time" in failure.detail


async def test_many_slow_steps_have_a_bound_together() -> None:
    async with posting(SmtpReceiver()) as post:
        post.waits = replace(Waits(), before=0.5)
        post.receiver.delays = dict.fromkeys(STEPS, 0.2)
        failure = await post.failure()
        assert (failure.kind, failure.maybe_sent) == (FailureClass.TRANSIENT, False)
        assert post.receiver.received == []


# The outcome of a mail at servers that violate the protocol


@asynccontextmanager
async def at(serve: Serve, waits: Waits) -> AsyncIterator[Post]:
    async with listening(serve) as port, egress(loopback(port)) as out:
        config = {"host": "127.0.0.1", "port": port, "security": "none", "fromAddress": SENDER}
        yield Post(SmtpReceiver("none"), out, config | {"to": ["ops@example.com"]}, waits)


async def _until_data(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example\r\n")
    while not (line := await reader.readline()).startswith(b"DATA"):
        writer.write(b"250 ok\r\n" if line else b"")
    writer.write(b"354 go on\r\n")


async def _all(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n.\r\n")


ENDLESS = b"0123456789\r\n" * 2_000_000  # more than is on its way anywhere


async def given_up(post: Post, content: bytes = ENDLESS) -> Failure:
    """How handing over a mail ends that the server does not read."""
    config = EmailConfig.model_validate(post.config)
    talk = Conversation(config, Tokens(), post.waits)

    async def hand_over() -> None:
        async with talk.open(post.out, ssl.create_default_context()):
            await talk.begin(SENDER, ["ops@example.com"])
            await talk.offer("ops@example.com")
            await talk.hand_over(content)

    with pytest.raises(DeliveryFailed) as failed:
        await hand_over()
    return failed.value.failure


async def test_a_refusal_amid_the_mail_is_heard() -> None:
    """The server says no before the end, and closes: no ten minutes are waited for more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _until_data(reader, writer)
        await reader.read(1_000)
        writer.write(b"552 5.3.4 too much\r\n")
        await writer.drain()
        await reader.read()

    async with at(serve, Waits()) as post:
        failure = await given_up(post)
    assert (failure.kind, failure.status, failure.maybe_sent) == (
        FailureClass.PERMANENT,
        552,
        False,
    )


async def test_a_server_that_stops_reading_has_not_got_the_mail() -> None:
    stopped = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _until_data(reader, writer)
        await stopped.wait()

    async with at(serve, replace(Waits(), block=0.4, content=2)) as post:
        failure = await given_up(post)
        stopped.set()
    assert (failure.kind, failure.maybe_sent) == (FailureClass.TRANSIENT, False)


async def test_a_yes_counts_though_the_connection_breaks_right_after_it() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _until_data(reader, writer)
        await _all(reader)
        writer.write(b"250 2.0.0 queued\r\n")
        await writer.drain()
        writer.transport.abort()

    async with at(serve, Waits()) as post:
        receipt = await post.send()
    assert (receipt.confirmed, receipt.code) == (False, 250)


async def test_a_reply_too_many_before_the_mail_is_no_answer_to_it() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        while not (line := await reader.readline()).startswith(b"DATA"):
            writer.write(b"250 ok\r\n" if line else b"")
        writer.write(b"354 go on\r\n250 ok\r\n")
        await _all(reader)
        writer.write(b"550 5.7.1 no\r\n")
        await reader.read()

    async with at(serve, Waits()) as post:
        failure = await post.failure()
    assert (failure.kind, failure.status) == (FailureClass.PERMANENT, 550)


async def test_a_yes_amid_the_mail_is_none() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _until_data(reader, writer)
        await reader.read(1_000)
        writer.write(b"250 whatever you say\r\n")
        await writer.drain()
        await reader.read()

    async with at(serve, Waits()) as post:
        failure = await given_up(post)
    assert (failure.kind, failure.maybe_sent) == (FailureClass.TRANSIENT, False)


@pytest.mark.parametrize("answer", [b"", b"250-half of an ans", b"99 what\r\n"])
async def test_without_an_answer_to_the_dot_the_mail_may_be_out(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _until_data(reader, writer)
        await _all(reader)
        writer.write(answer)

    async with at(serve, Waits()) as post:
        failure = await post.failure()
    assert (failure.kind, failure.maybe_sent) == (FailureClass.TRANSIENT, True)


@pytest.mark.parametrize("code", [421, 450, 451, 452, 550, 554])
async def test_a_no_to_the_dot_is_no_mail(code: int) -> None:
    async with posting(SmtpReceiver()) as post:
        post.receiver.replies["."] = f"{code} 0.0.0 no"
        failure = await post.failure()
    assert (failure.maybe_sent, failure.status) == (False, code)


# The test of a connection


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "AUTH", "RCPT", "RSET"])
async def test_a_test_ends_in_time_and_says_what_it_did_not_wait_for(step: str) -> None:
    names = {"CONNECT": "connect", "RCPT": "RCPT TO"}
    async with posting(SmtpReceiver()) as post:
        post.waits = replace(Waits(), test=0.5)
        post.receiver.replies[step] = "hang"
        checks = await post.test()
    *before, last = checks.values()
    assert (last.name, last.ok, last.kind) == (names.get(step, step), False, FailureClass.TRANSIENT)
    assert "may arrive all the same" in last.detail
    assert all(check.ok for check in before)


async def test_a_test_is_shorter_than_whoever_asks_for_it_waits() -> None:
    from activities.integration import connection_check as testing

    assert Waits().test < testing._SECONDS
