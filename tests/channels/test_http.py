"""The way out on real sockets: what is dialled, what is read, and what every failure is called."""

import asyncio
import contextlib
import gzip
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.address import Policy
from channels.egress import BODY_BYTES, Egress, egress, retry_after
from channels.guard import Refused
from channels.http import guarded_socket
from channels.unanswered import translated
from domain.delivery import LATEST_SECONDS, DeliveryFailed, Failure, FailureClass
from tests.channels.certificate import write_certificate
from tests.receivers.receiver import Receiver, Reply, serving

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRET = "s3cr3t"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server of bytes on loopback, for what no proper server would do."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await writer.drain()


def loopback(port: int) -> str:
    return f"127.0.0.1/32:{port}"


async def failure(out: Egress, url: str, content: bytes = b"{}") -> Failure:
    """How a call to the URL fails; whatever it is, it does not repeat the secret part."""
    with pytest.raises(DeliveryFailed) as caught:
        await out.send("POST", f"{url}/{SECRET}?key={SECRET}", {"Authorization": SECRET}, content)
    assert SECRET not in repr(caught.value.failure)
    assert SECRET not in str(caught.value)
    return caught.value.failure


def kind(found: Failure) -> tuple[FailureClass, bool]:
    return found.kind, found.maybe_sent


NOT_SENT = (FailureClass.TRANSIENT, False)
MAYBE_SENT = (FailureClass.TRANSIENT, True)
BLOCKED = (FailureClass.BLOCKED, False)


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

    async def test_bodies_of_listed_destinations_are_marked_as_private(self) -> None:
        async with serving(Receiver()) as receiver:
            receiver.always = Reply()
            async with egress(receiver.allowed, lookup=lambda _: ["127.0.0.1"]) as out:
                literal = await out.send("GET", receiver.url, {})
                port = receiver.url.rpartition(":")[2]
                named = await out.send("GET", f"http://hooks.example.com:{port}", {})
        assert (literal.private, named.private) == (True, True)
        assert receiver.received[1].headers["Host"] == f"hooks.example.com:{port}"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_an_answer(self, status: int) -> None:
        async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
            receiver.always = Reply(status, headers={"Location": f"{receiver.url}/elsewhere"})
            reply = await out.send("POST", receiver.url, {}, b"{}")
        assert reply.status == status
        assert len(receiver.received) == 1

    async def test_cookies_are_not_kept(self) -> None:
        async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
            receiver.always = Reply(headers={"Set-Cookie": "who=tenant-a; Path=/"})
            for _ in range(2):
                await out.send("POST", receiver.url, {}, b"{}")
        assert ["Cookie" in got.headers for got in receiver.received] == [False, False]

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


class TestFailures:
    async def test_a_refused_connection(self) -> None:
        with socket.socket() as bound:  # bound and not listening: nobody else gets the port
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            async with egress(loopback(port)) as out:
                found = await failure(out, f"http://127.0.0.1:{port}")
        assert kind(found) == NOT_SENT
        assert "127.0.0.1" in found.detail

    async def test_an_answer_that_does_not_come(self) -> None:
        async with serving(Receiver()) as receiver, egress(receiver.allowed, total=0.5) as out:
            receiver.always = Reply(hang=True)
            assert kind(await failure(out, receiver.url)) == MAYBE_SENT
            assert len(receiver.received) == 1

    async def test_a_body_that_does_not_end_in_time(self) -> None:
        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
            await reader.read(-1)

        async with listening(drip) as port, egress(loopback(port), total=0.5) as out:
            assert kind(await failure(out, f"http://127.0.0.1:{port}")) == MAYBE_SENT

    async def test_a_reset_after_the_request(self) -> None:
        async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
            receiver.always = Reply(reset=True)
            assert kind(await failure(out, receiver.url)) == MAYBE_SENT
            assert len(receiver.received) == 1

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
    async def test_an_answer_that_breaks_off(self, said: bytes) -> None:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(said)
            await writer.drain()

        async with listening(say) as port, egress(loopback(port), total=5) as out:
            assert kind(await failure(out, f"http://127.0.0.1:{port}")) == MAYBE_SENT

    async def test_a_name_without_address(self) -> None:
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

    async def test_a_name_that_answers_with_nothing(self) -> None:
        async with egress("", lookup=lambda _: []) as out:
            assert kind(await failure(out, "https://hooks.example.com")) == NOT_SENT

    async def test_a_resolver_that_hangs(self) -> None:
        release = threading.Event()

        def lookup(_: str) -> list[str]:
            release.wait(30)
            return []

        async with egress("", total=0.6, lookup=lookup) as out:
            assert kind(await failure(out, "https://hooks.example.com")) == NOT_SENT
            release.set()

    async def test_a_guarded_url(self) -> None:
        async with egress("") as out:
            for url in ("https://127.0.0.1", "http://example.com", "https://a.internal"):
                assert kind(await failure(out, url)) == BLOCKED


class TestNames:
    @pytest.mark.parametrize(
        "answers",
        [
            ["127.0.0.1", "127.0.0.2"],
            ["127.0.0.2", "127.0.0.1"],
            ["127.0.0.1", "::1"],
            ["127.0.0.1", "169.254.169.254"],
            ["127.0.0.1", "8.8.8.8"],  # public, but not at that port
            ["127.0.0.1", "fe80::1%lo"],
        ],
    )
    async def test_one_bad_answer_spoils_the_name(self, answers: list[str]) -> None:
        async with serving(Receiver()) as receiver:
            receiver.always = Reply()
            port = receiver.url.rpartition(":")[2]
            async with egress(receiver.allowed, lookup=lambda _: answers) as out:
                assert kind(await failure(out, f"http://hooks.example.com:{port}")) == BLOCKED
        assert receiver.received == []

    async def test_what_was_resolved_is_what_is_dialled(self) -> None:
        """A second lookup, which would lead elsewhere, never happens."""
        rounds = iter([["127.0.0.1"], ["127.0.0.2"]])
        async with listening(answer_ok) as port:
            async with egress(loopback(port), lookup=lambda _: next(rounds)) as out:
                for _ in range(3):
                    reply = await out.send("GET", f"http://hooks.example.com:{port}", {})
                    assert reply.body == b"ok"
        assert next(rounds) == ["127.0.0.2"]

    async def test_a_name_that_leads_elsewhere_later_is_refused_then(self) -> None:
        async with listening(answer_ok) as port:
            answers = ["127.0.0.1"]
            async with egress(loopback(port), lookup=lambda _: answers) as out:
                await out.send("GET", f"http://hooks.example.com:{port}", {})
                answers[:] = ["127.0.0.2"]
                out.session.connector.clear_dns_cache()  # type: ignore[union-attr]
                assert kind(await failure(out, f"http://hooks.example.com:{port}")) == BLOCKED

    async def test_http_to_a_name_does_not_reach_public_servers(self) -> None:
        async with egress("127.0.0.1/32:9001", lookup=lambda _: ["93.184.216.34"]) as out:
            found = await failure(out, "http://hooks.example.com:9001")
        assert kind(found) == BLOCKED

    async def test_the_session_looks_at_addresses_too(self) -> None:
        """Clients that bring their own requests write their own URLs; literals skip resolvers."""
        async with serving(Receiver()) as receiver, egress("") as out:
            for url in (receiver.url, receiver.url.replace("127.0.0.1", "localhost")):
                with pytest.raises(DeliveryFailed) as caught, translated("there"):
                    await out.session.get(url)
                assert kind(caught.value.failure) == BLOCKED
        assert receiver.received == []

    def test_no_socket_is_made_for_a_bad_address(self) -> None:
        make = guarded_socket(Policy())
        for family, literal in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with pytest.raises(Refused, match="blocked_address"):
                make((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (literal, 443)))

    @pytest.mark.parametrize("listener", ["localhost", "127.0.0.1", "0.0.0.0", "127.0.0.9"])
    async def test_our_own_servers_are_never_called(self, listener: str) -> None:
        async with serving(Receiver()) as receiver:
            own = f"{listener}:{receiver.url.rpartition(':')[2]}"
            async with egress(receiver.allowed, [own, "gone.invalid:1"]) as out:
                assert kind(await failure(out, receiver.url)) == BLOCKED
        assert receiver.received == []


class TestTls:
    @pytest.fixture
    def trusted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A certificate for hooks.example.com that this machine trusts for the moment."""
        path = write_certificate(tmp_path, "hooks.example.com")
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        yield path

    async def test_certificate_and_sni_keep_the_name(self, trusted: Path) -> None:
        named: list[str | None] = []
        tls = server_side(trusted)
        tls.sni_callback = lambda _socket, name, _context: named.append(name)
        async with listening(answer_ok, tls) as port:
            async with egress(loopback(port), lookup=lambda _: ["127.0.0.1"]) as out:
                reply = await out.send("POST", f"https://hooks.example.com:{port}/", {}, b"{}")
        assert (reply.status, reply.body, reply.private) == (200, b"ok", True)
        assert named == ["hooks.example.com"]

    @pytest.mark.parametrize("host", ["other.example.com", "127.0.0.1"])
    async def test_a_certificate_for_another_name(self, trusted: Path, host: str) -> None:
        async with listening(answer_ok, server_side(trusted)) as port:
            async with egress(loopback(port), lookup=lambda _: ["127.0.0.1"]) as out:
                found = await failure(out, f"https://{host}:{port}")
        assert kind(found) == NOT_SENT
        assert "certificate" in found.detail

    async def test_a_certificate_that_nobody_vouches_for(self, tmp_path: Path) -> None:
        path = write_certificate(tmp_path, "hooks.example.com")
        async with listening(answer_ok, server_side(path)) as port:
            async with egress(loopback(port), lookup=lambda _: ["127.0.0.1"]) as out:
                found = await failure(out, f"https://hooks.example.com:{port}")
        assert kind(found) == NOT_SENT
        assert "certificate" in found.detail

    async def test_a_server_without_tls(self) -> None:
        async with listening(answer_ok) as port, egress(loopback(port), total=3) as out:
            found = await failure(out, f"https://127.0.0.1:{port}")
        assert kind(found) == NOT_SENT

    async def test_a_handshake_that_does_not_end(self) -> None:
        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(-1)

        async with listening(wait) as port, egress(loopback(port), total=0.9) as out:
            assert kind(await failure(out, f"https://127.0.0.1:{port}")) == NOT_SENT


def server_side(certificate: Path) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    return tls


class TestSockets:
    async def test_a_listed_mail_server_is_reached(self) -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 hi\r\n")
            await writer.drain()

        async with listening(greet) as port:
            async with egress(loopback(port), lookup=lambda _: ["127.0.0.1"]) as out:
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
            ("9" * 400, float(LATEST_SECONDS)),
            ("Tue, 24 Nov 2026 12:01:30 GMT", 90.0),
            ("Tuesday, 24-Nov-26 12:01:30 GMT", 90.0),  # RFC 850, obsolete but to be read
            ("Tue Nov 24 12:01:30 2026", 90.0),  # asctime
            ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
            ("Tue, 24 Nov 9999 12:00:00 GMT", float(LATEST_SECONDS)),
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
        assert found is None or 0 <= found <= LATEST_SECONDS

    @given(st.integers(0, LATEST_SECONDS))
    def test_a_date_is_as_good_as_its_seconds(self, seconds: int) -> None:
        at = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
        assert retry_after({"retry-after": at}, NOW) == seconds
