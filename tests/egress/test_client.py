"""The egress client: requests, sockets and answers."""

import asyncio
import gzip
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.integration.outcome import DeliveryFailed, FailureClass
from domain.integration.retry_schedule import USUAL_LIFE
from egress.client import BODY_BYTES, egress, retry_after
from egress.route import Route
from receivers.receiver import Receiver, Reply, serving
from tests.integrations.wire import BLOCKED, NOT_SENT, OK, failure, kind, listening, loopback
from tests.receivers.proxy import HttpProxy, proxying


class TestRequests:
    async def test_a_request_arrives_as_it_was_written(self) -> None:
        async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
            receiver.always = Reply(201, "made", {"X-Made": "1"})
            url = f"{receiver.url}/a%2Fb/%C3%BC?sig=x%2F%2B~&t=a+b"
            reply = await out.send("PATCH", url, {"X-Key": "v"}, b'{"a":1}')
            [got] = receiver.received
        assert (reply.status, reply.body, reply.headers["x-made"]) == (201, b"made", "1")
        assert got.path == "/a%2Fb/%C3%BC?sig=x%2F%2B~&t=a+b"
        assert (got.method, got.body) == ("PATCH", b'{"a":1}')
        headers = {name.lower(): value for name, value in got.headers.items()}
        assert headers == {
            "host": receiver.url.removeprefix("http://"),
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": "FireLater-Integrations",
            "x-key": "v",
            "content-length": "7",
        }

    async def test_a_header_replaces_the_default_of_its_name_in_any_case(self) -> None:
        heads: list[bytes] = []

        async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            await writer.drain()

        async with listening(keep) as port, egress(loopback(port)) as out:
            await out.send("GET", f"http://127.0.0.1:{port}", {"ACCEPT": "text/plain"})
        accepts = [each for each in heads[0].splitlines() if each.lower().startswith(b"accept:")]
        assert accepts == [b"ACCEPT: text/plain"]

    async def test_addresses_that_fail_differently_are_told_as_they_failed(self) -> None:
        """One refuses the connection, one has no route; neither is a server that takes too long."""
        addresses = ["127.255.255.255", "127.0.0.1"]
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            allow = f"127.0.0.0/8:{port}"
            async with egress(allow, lookup=lambda _: addresses) as out:
                by_http = await failure(out, f"http://hooks.example.com:{port}")
                with pytest.raises(DeliveryFailed) as caught:
                    await out.open_socket("mail.example.com", port)
        for found in (by_http, caught.value.failure):
            assert kind(found) == NOT_SENT
            assert "127.0.0.1" in found.detail
            assert "not in time" not in found.detail
        assert "unreachable" in caught.value.failure.detail

    async def test_bodies_of_listed_destinations_are_marked_as_private(self) -> None:
        async with serving(Receiver()) as receiver:
            receiver.always = Reply()
            async with egress(receiver.allowed, lookup=lambda _: ["127.0.0.1"]) as out:
                literal = await out.send("GET", receiver.url, {})
                port = receiver.url.rpartition(":")[2]
                named = await out.send("GET", f"http://hooks.example.com:{port}", {})
        assert (literal.private, named.private) == (True, True)
        assert receiver.received[1].headers["Host"] == f"hooks.example.com:{port}"

    @pytest.mark.parametrize("host", ["10.0.0.5", "[fd00::5]", "hooks.internal"])
    async def test_a_listed_destination_at_port_80(self, host: str) -> None:
        """A URL does not say the port that its scheme implies; no test may listen there."""
        async with serving(Receiver()) as receiver, proxying(HttpProxy()) as proxy:
            receiver.always = Reply(200, "inside")
            proxy.leads = {f"{to}:80": receiver.port for to in ("10.0.0.5", "[fd00::5]")}
            route = Route.parse(proxy.url, False, False, None)
            allow = "10.0.0.5/32:80, [fd00::5]:80"
            async with egress(allow, route=route, lookup=lambda _: ["10.0.0.5"]) as out:
                reply = await out.send("POST", f"http://{host}/hook", {}, b"{}")
        assert (reply.status, reply.body, reply.private) == (200, b"inside", True)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_an_answer(self, status: int) -> None:
        async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
            receiver.always = Reply(status, headers={"Location": f"{receiver.url}/elsewhere"})
            reply = await out.send("POST", receiver.url, {}, b"{}")
        assert reply.status == status
        assert len(receiver.received) == 1

    async def test_cookies_are_not_kept(self) -> None:
        """Cookies are kept neither within the session nor between the sends of two tenants."""
        async with serving(Receiver()) as receiver:
            receiver.always = Reply(headers={"Set-Cookie": "who=tenant-a; Path=/"})
            url = f"http://hooks.example.com:{receiver.url.rpartition(':')[2]}/"
            async with egress(receiver.allowed, lookup=lambda _: ["127.0.0.1"]) as out:
                for _ in range(2):
                    await out.send("POST", url, {}, b"{}")
                    async with out.session.post(url):
                        pass
        assert ["Cookie" in got.headers for got in receiver.received] == [False] * 4

    async def test_proxies_of_the_environment_are_not_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with serving(Receiver()) as receiver, serving(Receiver()) as proxy:
            receiver.always = proxy.always = Reply()
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            async with egress(f"{receiver.allowed},{proxy.allowed}") as out:
                await out.send("POST", receiver.url, {}, b"{}")
        assert (len(receiver.received), len(proxy.received)) == (1, 0)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X-A", "b\r\nX-Injected: 1"),
            ("X-A", "b\nc"),
            ("X-A", "b\0c"),
            ("X-A", "ü"),
            ("X-A\r\nX-Injected", "1"),
            ("X A", "1"),
            ("", "1"),
            ("Host", "evil.example.com"),
            ("Content-Length", "0"),
            ("transfer-encoding", "chunked"),
            ("Accept-Encoding", "gzip"),
            ("Connection", "close"),
        ],
    )
    async def test_headers_cannot_break_the_frame(self, name: str, value: str) -> None:
        async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
            with pytest.raises(DeliveryFailed) as caught:
                await out.send("POST", receiver.url, {name: value}, b"{}")
        assert kind(caught.value.failure) == (FailureClass.MISCONFIGURED, False)
        assert receiver.received == []


class TestBodies:
    async def test_a_gzip_bomb_is_not_inflated(self) -> None:
        bomb = gzip.compress(bytes(20 * 2**20))
        async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
            receiver.always = Reply(200, bomb, {"Content-Encoding": "gzip"})
            reply = await out.send("POST", receiver.url, {}, b"{}")
        assert reply.body == bomb[:BODY_BYTES]

    async def test_an_endless_body_is_cut(self) -> None:
        closed = asyncio.Event()

        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while True:
                    writer.write(b"x" * 10_000)
                    await writer.drain()
            except ConnectionError:
                closed.set()

        async with listening(pour) as port, egress(loopback(port)) as out:
            reply = await out.send("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
            assert (reply.status, reply.body) == (200, b"x" * BODY_BYTES)
            async with asyncio.timeout(10):
                await closed.wait()

    async def test_a_body_of_just_the_limit_is_whole(self) -> None:
        async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
            receiver.always = Reply(200, b"y" * BODY_BYTES)
            reply = await out.send("POST", receiver.url, {}, b"{}")
        assert reply.body == b"y" * BODY_BYTES


class TestSockets:
    async def test_a_listed_mail_server_is_reached(self) -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 hi\r\n")
            await writer.drain()

        async with (
            listening(greet) as port,
            egress(loopback(port), lookup=lambda _: ["127.0.0.1"]) as out,
        ):
            for host in ("127.0.0.1", "mail.example.com"):
                with await out.open_socket(host, port) as wire:
                    assert out.lists(*wire.getpeername()[:2])
                    got = await asyncio.get_running_loop().sock_recv(wire, 100)
                    assert got == b"220 hi\r\n"

    @pytest.mark.parametrize(
        ("host", "port"),
        [
            ("127.0.0.1", 25),
            ("localhost", 25),
            ("10.0.0.1", 587),
            ("169.254.169.254", 25),
            ("8.8.8.8", 443),
            ("8.8.8.8", 22),
            ("mail.example.com", 25),  # leads to 10.0.0.7
            ("a@b.com", 25),
            ("0x7f.1", 25),
            ("mail.example.com\r\n", 25),
            ("::1", 25),
        ],
    )
    async def test_the_guard_holds_for_mail_servers(self, host: str, port: int) -> None:
        async with egress("", lookup=lambda _: ["10.0.0.7"]) as out:
            with pytest.raises(DeliveryFailed) as caught:
                await out.open_socket(host, port)
        assert kind(caught.value.failure) == BLOCKED

    async def test_a_mail_server_that_is_not_there(self) -> None:
        def lookup(_: str) -> list[str]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            async with egress(loopback(port), lookup=lookup) as out:
                for host in ("127.0.0.1", "mail.example.com"):
                    with pytest.raises(DeliveryFailed) as caught:
                        await out.open_socket(host, port)
                    assert kind(caught.value.failure) == NOT_SENT
                    assert host in caught.value.failure.detail


NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0.0),
            ("120", 120.0),
            (" 7 ", 7.0),
            ("1.5", 1.5),
            ("9" * 400, float(USUAL_LIFE)),
            ("Tue, 24 Nov 2026 12:01:30 GMT", 90.0),
            ("Tuesday, 24-Nov-26 12:01:30 GMT", 90.0),  # RFC 850, obsolete but to be read
            ("Tue Nov 24 12:01:30 2026", 90.0),  # asctime
            ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
            ("Tue, 24 Nov 9999 12:00:00 GMT", float(USUAL_LIFE)),
            ("-1", None),
            ("soon", None),
            ("", None),
            ("٣", None),
            ("1e3", None),
        ],
    )
    def test_seconds_and_dates(self, value: str, seconds: float | None) -> None:
        assert retry_after({"retry-after": value}, NOW) == seconds

    def test_nothing_asked_for(self) -> None:
        assert retry_after({}, NOW) is None

    @given(st.text())
    def test_any_text_is_read_or_not(self, value: str) -> None:
        found = retry_after({"retry-after": value}, NOW)
        assert found is None or 0 <= found <= USUAL_LIFE

    @given(st.integers(0, USUAL_LIFE))
    def test_a_date_is_as_good_as_its_seconds(self, seconds: int) -> None:
        at = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
        assert retry_after({"retry-after": at}, NOW) == seconds
