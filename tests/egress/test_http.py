"""Which addresses are dialled, on real sockets, and the check of their certificates."""

import asyncio
import socket
import ssl
import threading
from pathlib import Path

import pytest

from domain.integration.outcome import DeliveryFailed
from egress.client import egress
from egress.guard import Refused
from egress.http import guarded_socket
from egress.policy import Policy
from egress.transport_errors import translated
from receivers.authority import Authority
from receivers.receiver import Receiver, Reply, serving
from tests.integrations.wire import BLOCKED, NOT_SENT, answer_ok, failure, kind, listening, loopback


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

    @pytest.mark.parametrize("name", ["wiki.corp", "hooks", "mattermost.default.svc"])
    async def test_a_local_name_of_a_listed_server_is_called(self, name: str) -> None:
        async with (
            listening(answer_ok) as port,
            egress(loopback(port), lookup=lambda _: ["127.0.0.1"]) as out,
        ):
            reply = await out.send("POST", f"http://{name}:{port}/", {}, b"{}")
            assert (reply.body, reply.private) == (b"ok", True)
            with await out.open_socket(name, port) as wire:
                assert out.lists(*wire.getpeername()[:2])

    @pytest.mark.parametrize(
        "answers",
        [
            ["127.0.0.1", "127.0.0.2"],
            ["127.0.0.1", "10.0.0.1"],
            ["127.0.0.1", "8.8.8.8"],
            ["8.8.8.8"],
            ["169.254.169.254"],
            ["fd00:ec2::254"],
            ["::ffff:169.254.169.254"],
            ["0.0.0.0"],
        ],
    )
    async def test_a_local_name_that_leads_elsewhere_is_refused(self, answers: list[str]) -> None:
        """This holds for public addresses as well: `*:port` is for public names only."""
        async with serving(Receiver()) as receiver:
            receiver.always = Reply()
            port = int(receiver.url.rpartition(":")[2])
            async with egress(f"{receiver.allowed},*:{port}", lookup=lambda _: answers) as out:
                assert kind(await failure(out, f"https://wiki.corp:{port}")) == BLOCKED
                with pytest.raises(DeliveryFailed) as caught:
                    await out.open_socket("wiki.corp", port)
                assert kind(caught.value.failure) == BLOCKED
        assert receiver.received == []

    async def test_a_public_name_does_not_lead_inside_and_outside(self) -> None:
        answers = ["127.0.0.1", "8.8.8.8"]  # both may be called at this port, by names of their own
        async with listening(answer_ok) as port:
            allow = f"{loopback(port)},*:{port}"
            async with egress(allow, lookup=lambda _: answers) as out:
                assert kind(await failure(out, f"https://hooks.example.com:{port}")) == BLOCKED

    async def test_a_local_name_of_our_own_server_is_refused(self) -> None:
        async with serving(Receiver()) as receiver:
            port = receiver.url.rpartition(":")[2]
            own = [f"temporal:{port}"]
            async with egress(receiver.allowed, own, lookup=lambda _: ["127.0.0.1"]) as out:
                for name in ("temporal", "alias.corp"):
                    assert kind(await failure(out, f"http://{name}:{port}")) == BLOCKED
        assert receiver.received == []

    async def test_a_local_name_is_resolved_once_and_judged_each_time(self) -> None:
        rounds = iter([["127.0.0.1"], ["127.0.0.2"], ["8.8.8.8"]])
        async with (
            listening(answer_ok) as port,
            egress(loopback(port), lookup=lambda _: next(rounds)) as out,
        ):
            url = f"http://wiki.corp:{port}"
            for _ in range(2):
                assert (await out.send("GET", url, {})).body == b"ok"
            for _ in range(2):
                out.session.connector.clear_dns_cache()  # type: ignore[union-attr]
                assert kind(await failure(out, url)) == BLOCKED

    async def test_what_was_resolved_is_what_is_dialled(self) -> None:
        """A second lookup, which would lead elsewhere, never happens."""
        rounds = iter([["127.0.0.1"], ["127.0.0.2"]])
        async with (
            listening(answer_ok) as port,
            egress(loopback(port), lookup=lambda _: next(rounds)) as out,
        ):
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

    async def test_a_name_that_hangs_holds_one_thread_however_often_it_is_asked_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A thread in getaddrinfo cannot be stopped, and all tenants share them."""
        monkeypatch.setattr("egress.http._NEGATIVE_SECONDS", 0.0)
        asked, answer = list[str](), threading.Event()

        def lookup(name: str) -> list[str]:
            asked.append(name)
            answer.wait()
            return ["127.0.0.1"]

        async with egress("", lookup=lookup, total=0.3) as out:
            for _ in range(3):
                assert kind(await failure(out, "https://hooks.example.com")) == NOT_SENT
                with pytest.raises(DeliveryFailed):
                    await out.open_socket("hooks.example.com", 465)
            assert asked == ["hooks.example.com"]
            answer.set()
            async with asyncio.timeout(30):
                while kind(await failure(out, "https://hooks.example.com")) != BLOCKED:
                    pass
            with pytest.raises(DeliveryFailed):
                await out.open_socket("hooks.example.com", 465)
            assert len(asked) == 2

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
    def trusted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
        """Serves hooks.example.com with a certificate that this machine trusts for the moment."""
        authority = Authority("hooks.example.com")
        bundle = tmp_path / "authority.pem"
        bundle.write_text(authority.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        return authority.server

    async def test_certificate_and_sni_keep_the_name(self, trusted: ssl.SSLContext) -> None:
        named: list[str | None] = []
        trusted.sni_callback = lambda _socket, name, _context: named.append(name)
        async with (
            listening(answer_ok, trusted) as port,
            egress(loopback(port), lookup=lambda _: ["127.0.0.1"]) as out,
        ):
            reply = await out.send("POST", f"https://hooks.example.com:{port}/", {}, b"{}")
        assert (reply.status, reply.body, reply.private) == (200, b"ok", True)
        assert named == ["hooks.example.com"]

    @pytest.mark.parametrize("host", ["other.example.com", "127.0.0.1"])
    async def test_a_certificate_for_another_name(self, trusted: ssl.SSLContext, host: str) -> None:
        async with (
            listening(answer_ok, trusted) as port,
            egress(loopback(port), lookup=lambda _: ["127.0.0.1"]) as out,
        ):
            found = await failure(out, f"https://{host}:{port}")
        assert kind(found) == NOT_SENT
        assert "certificate" in found.detail

    async def test_a_certificate_that_nobody_vouches_for(self) -> None:
        stranger = Authority("hooks.example.com")
        async with (
            listening(answer_ok, stranger.server) as port,
            egress(loopback(port), lookup=lambda _: ["127.0.0.1"]) as out,
        ):
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
