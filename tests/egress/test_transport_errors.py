"""Every way in which no answer comes, on real sockets, and the failure it becomes."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from domain.integration.outcome import DeliveryFailed, FailureClass
from egress.client import egress
from receivers.receiver import Receiver, Reply, serving
from tests.integrations.wire import (
    BLOCKED,
    MAYBE_SENT,
    NOT_SENT,
    failure,
    kind,
    listening,
    loopback,
)


async def test_a_refused_connection() -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        async with egress(loopback(port)) as out:
            found = await failure(out, f"http://127.0.0.1:{port}")
    assert kind(found) == NOT_SENT
    assert "127.0.0.1" in found.detail


async def test_an_answer_that_does_not_come() -> None:
    async with serving(Receiver()) as receiver, egress(receiver.allowed, total=0.5) as out:
        receiver.always = Reply(hang=True)
        assert kind(await failure(out, receiver.url)) == MAYBE_SENT
        assert len(receiver.received) == 1


async def test_a_body_that_does_not_end_in_time() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
        await reader.read(-1)

    async with listening(drip) as port, egress(loopback(port), total=0.5) as out:
        assert kind(await failure(out, f"http://127.0.0.1:{port}")) == MAYBE_SENT


async def test_a_reset_after_the_request() -> None:
    async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
        receiver.always = Reply(reset=True)
        assert kind(await failure(out, receiver.url)) == MAYBE_SENT
        assert len(receiver.received) == 1


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_connection_that_lay_ready_and_is_closed(repeatable: bool) -> None:
    """It answers one request on each connection, and hangs up at the next."""
    connections = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")

    async with listening(once) as port, egress(loopback(port)) as out:
        url = f"http://127.0.0.1:{port}"
        assert (await out.send("GET", url, {})).status == 200
        if repeatable:
            assert (await out.send("GET", url, {}, repeatable=True)).status == 200
        else:
            assert kind(await failure(out, url)) == (FailureClass.TRANSIENT, True)
    assert connections == 1 + repeatable


async def test_what_breaks_two_connections_is_not_sent_on_a_third() -> None:
    """Three lie ready; the request breaks the first two that it meets."""
    asked, ready = 0, asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        if asked == 3:
            ready.set()
        await ready.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        with suppress(asyncio.IncompleteReadError):  # the last one's, at the end
            await reader.readuntil(b"\r\n\r\n")
            asked += 1

    async with listening(once) as port, egress(loopback(port)) as out:
        url = f"http://127.0.0.1:{port}"
        await asyncio.gather(*(out.send("GET", url, {}) for _ in range(3)))
        with pytest.raises(DeliveryFailed) as raised:
            await out.send("POST", url, {}, b"{}", repeatable=True)
        assert kind(raised.value.failure) == MAYBE_SENT
        assert asked == 5


async def test_what_may_have_arrived_says_so_though_it_cannot_be_repeated() -> None:
    """The server reads the second request, and goes away."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        server.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, egress(loopback(port)) as out:
        url = f"http://127.0.0.1:{port}"
        assert (await out.send("GET", url, {})).status == 200
        with pytest.raises(DeliveryFailed) as raised:
            await out.send("POST", url, {}, b"{}", repeatable=True)
    assert kind(raised.value.failure) == MAYBE_SENT


async def test_a_connection_of_its_own_that_breaks_is_not_tried_again() -> None:
    connections = 0

    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")

    async with listening(hang_up) as port, egress(loopback(port)) as out:
        with pytest.raises(DeliveryFailed):
            await out.send("POST", f"http://127.0.0.1:{port}", {}, b"{}", repeatable=True)
    assert connections == 1


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "cut", "bad chunk", "no status", "another protocol", "endless header"],
)
async def test_an_answer_that_breaks_off(said: bytes) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(said)
        await writer.drain()

    async with listening(say) as port, egress(loopback(port), total=5) as out:
        assert kind(await failure(out, f"http://127.0.0.1:{port}")) == MAYBE_SENT


@pytest.mark.parametrize("status", [200, 202, 400, 404, 413])
async def test_a_body_that_breaks_off_is_no_answer_where_it_has_a_say(status: int) -> None:
    async with cut(status) as port, egress(loopback(port), total=5) as out:
        assert kind(await failure(out, f"http://127.0.0.1:{port}")) == MAYBE_SENT


@pytest.mark.parametrize("status", [302, 401, 403, 429, 500, 503])
async def test_and_else_it_is_the_status_that_was_answered(status: int) -> None:
    async with cut(status) as port, egress(loopback(port), total=5) as out:
        reply = await out.send("POST", f"http://127.0.0.1:{port}", {}, b"{}")
    assert (reply.status, reply.headers["retry-after"], reply.body) == (status, "7", b"no")


@asynccontextmanager
async def cut(status: int) -> AsyncIterator[int]:
    """The port of a server whose answers end too soon."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(b"HTTP/1.1 %d X\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\nno" % status)
        await writer.drain()

    async with listening(say) as port:
        yield port


async def test_a_name_without_address() -> None:
    asked = []

    def lookup(name: str) -> list[str]:
        asked.append(name)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with egress("", lookup=lookup) as out:
        for _ in range(3):
            found = await failure(out, "https://hooks.example.com")
            assert kind(found) == NOT_SENT
            assert "hooks.example.com" in found.detail
    assert asked == ["hooks.example.com"]  # that it failed is remembered


async def test_a_name_that_answers_with_nothing() -> None:
    async with egress("", lookup=lambda _: []) as out:
        assert kind(await failure(out, "https://hooks.example.com")) == NOT_SENT


async def test_a_resolver_that_hangs() -> None:
    release = threading.Event()

    def lookup(_: str) -> list[str]:
        release.wait(30)
        return []

    async with egress("", total=0.6, lookup=lookup) as out:
        assert kind(await failure(out, "https://hooks.example.com")) == NOT_SENT
        release.set()


async def test_a_guarded_url() -> None:
    async with egress("") as out:
        for url in ("https://127.0.0.1", "http://example.com", "https://a.internal"):
            assert kind(await failure(out, url)) == BLOCKED
