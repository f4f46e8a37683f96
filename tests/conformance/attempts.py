"""Attempts through every channel's example, against servers in every state."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from domain.integration.outcome import DeliveryFailed, Failure, Receipt
from domain.notification.message import Message
from egress.client import Egress, egress
from integrations import CHANNELS
from integrations.channel import Channel, Outgoing
from integrations.email.channel import Email
from integrations.email.smtp_waits import Waits
from receivers import RECEIVERS, smtp
from receivers.authority import Authority
from receivers.receiver import Receiver, Reply, serving
from tests.integrations.examples import STEMS, kind_of, outgoing

KNOWN = [stem for stem in STEMS if kind_of(stem)]  # others belong to channels yet to come
OVER_HTTP = [stem for stem in KNOWN if kind_of(stem) in RECEIVERS]
_SHORT = 0.5  # seconds; for servers that never answer

# A mail has minutes for its every step, which is no time to wait here.
_IMPATIENT = {"email": Email(waits=replace(Waits(), command=5.0, taken=_SHORT))}

Wired = tuple[Outgoing[Any], Egress]


def channel_of(stem: str) -> Channel[Any]:
    return _IMPATIENT.get(kind_of(stem), CHANNELS[kind_of(stem)])


async def attempt(stem: str, going: Outgoing[Any], out: Egress) -> Receipt | Failure:
    channel = channel_of(stem)
    try:
        return await channel.deliver(going, channel.request(going), out)
    except DeliveryFailed as failed:
        return failed.failure


def outcome(result: Receipt | Failure) -> str:
    if isinstance(result, Receipt):
        return "delivered" if result.confirmed else "accepted"
    return str(result.kind)


class Connected(NamedTuple):
    """A channel's example leading to its receiver over HTTP."""

    stem: str
    receiver: Receiver
    out: Egress

    async def answered(
        self, status: int, body: str = "", said: Message | None = None, **headers: str
    ) -> Receipt | Failure:
        """The outcome of an attempt with this answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.receiver.told.append(Reply(status, body, named))
        return await self.send(said)

    async def send(self, said: Message | None = None) -> Receipt | Failure:
        return await attempt(self.stem, outgoing(self.stem, self.receiver.url, said), self.out)


@asynccontextmanager
async def connected(stem: str) -> AsyncIterator[Connected]:
    receiver = RECEIVERS[kind_of(stem)]()
    async with serving(receiver), egress(receiver.allowed) as out:
        yield Connected(stem, receiver, out)


@asynccontextmanager
async def refused(stem: str) -> AsyncIterator[Wired]:
    """A port that is taken, but not listened at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        async with egress(f"127.0.0.1/32:{port}") as out:
            yield outgoing(stem, f"http://127.0.0.1:{port}"), out


@asynccontextmanager
async def dns(stem: str) -> AsyncIterator[Wired]:
    def lookup(name: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with egress("", lookup=lookup) as out:
        yield outgoing(stem, _public("receiver.example.com", stem)), out


@asynccontextmanager
async def guard(stem: str) -> AsyncIterator[Wired]:
    async with egress("") as out:
        yield outgoing(stem, _public("10.0.0.1", stem)), out


def _public(host: str, stem: str) -> str:
    return f"https://{host}" + (":465" if kind_of(stem) == "email" else "")


@asynccontextmanager
async def tls(stem: str) -> AsyncIterator[Wired]:
    """A certificate of an unknown authority."""
    if kind_of(stem) == "email":
        mail = smtp.SmtpReceiver("tls")
        async with smtp.serving(mail), egress(mail.allowed) as out:
            yield outgoing(stem, mail.url.replace("smtp:", "https:")), out
    else:
        receiver = RECEIVERS[kind_of(stem)]()
        async with serving(receiver, tls=Authority().server), egress(receiver.allowed) as out:
            yield outgoing(stem, receiver.url), out


@asynccontextmanager
async def timeout(stem: str) -> AsyncIterator[Wired]:
    async with _moody(stem, Reply(hang=True), "hang") as wired:
        yield wired


@asynccontextmanager
async def reset(stem: str) -> AsyncIterator[Wired]:
    async with _moody(stem, Reply(reset=True), "disconnect") as wired:
        yield wired


@asynccontextmanager
async def _moody(stem: str, reply: Reply, at_the_mails_end: str) -> AsyncIterator[Wired]:
    if kind_of(stem) == "email":
        mail = smtp.SmtpReceiver("none")
        mail.replies["."] = at_the_mails_end
        async with smtp.serving(mail), egress(mail.allowed) as out:
            yield outgoing(stem, mail.url), out
    else:
        receiver = RECEIVERS[kind_of(stem)]()
        receiver.always = reply
        async with serving(receiver), egress(receiver.allowed, total=_SHORT) as out:
            yield outgoing(stem, receiver.url), out


CASES: dict[str, Callable[[str], AbstractAsyncContextManager[Wired]]] = {
    case.__name__: case for case in (refused, dns, tls, guard, timeout, reset)
}
