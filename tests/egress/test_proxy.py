"""Calls through the operator's proxy: its targets, the data it gets, and its failures."""

import gc
import logging
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from domain.integration.outcome import DeliveryFailed
from egress.client import Egress, egress
from egress.proxy import Proxy
from egress.route import Route
from integrations.channel import Outgoing
from integrations.email.channel import Email
from integrations.email.config import EmailConfig, EmailOptions
from integrations.slack.channel import Slack
from receivers.authority import Authority
from receivers.receiver import Receiver, Reply, serving
from receivers.slack import SlackReceiver
from receivers.smtp import SmtpReceiver
from receivers.smtp import serving as mail_serving
from tests.integrations.examples import message, outgoing
from tests.integrations.wire import (
    BLOCKED,
    MAYBE_SENT,
    NOT_SENT,
    answer_ok,
    failure,
    kind,
    listening,
    loopback,
)
from tests.receivers.proxy import HttpProxy, proxying

PUBLIC = "93.184.216.34"
HOST = "hooks.example.com"
URL = f"https://{HOST}"


@dataclass
class World:
    """hooks.example.com behind a proxy, with the certificate of a company's own authority."""

    proxy: HttpProxy
    receiver: Receiver
    ca_file: Path
    names: list[str | None] = field(default_factory=list)  # SNI, as it came

    @asynccontextmanager
    async def out(
        self,
        allow: str = "",
        *,
        total: float = 15,
        answers: tuple[str, ...] = (PUBLIC,),
        **how: Any,
    ) -> AsyncIterator[Egress]:
        route = Route.parse(
            how.get("proxy", self.proxy.url),
            how.get("resolves", False),
            how.get("listed_direct", False),
            self.ca_file,
        )
        own = how.get("own", ())
        lookup = how.get("lookup", lambda _: answers)
        async with egress(allow, own, route, total=total, lookup=lookup) as out:
            yield out


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    authority = Authority(HOST)
    ca_file = tmp_path / "company.pem"
    ca_file.write_text(authority.pem)
    receiver = Receiver()
    receiver.always = Reply(200, "ok")
    async with serving(receiver, tls=authority.server), proxying(HttpProxy()) as proxy:
        port = int(receiver.url.rpartition(":")[2])
        proxy.leads[f"{PUBLIC}:443"] = port
        made = World(proxy, receiver, ca_file)

        def note(_socket: object, name: str | None, _context: object) -> None:
            made.names.append(name)

        authority.server.sni_callback = note
        yield made


class TestTunnel:
    async def test_it_leads_to_the_address_and_names_stay_within(self, world: World) -> None:
        async with world.out() as out:
            replies = [await out.send("POST", f"{URL}/a%2Fb", {"X-Key": "v"}, b"1") for _ in "12"]
        assert [(each.status, each.body, each.private) for each in replies] == [
            (200, b"ok", False)
        ] * 2
        [asked] = world.proxy.asked  # the second call goes over the same connection
        assert (asked.method, asked.to) == ("CONNECT", f"{PUBLIC}:443")
        assert asked.headers == {"host": f"{PUBLIC}:443"}
        assert world.names == [HOST]
        assert [got.headers["Host"] for got in world.receiver.received] == [HOST] * 2
        assert {got.path for got in world.receiver.received} == {"/a%2Fb"}

    async def test_a_login_is_for_the_proxy_alone(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        world.proxy.login = "us@r:p:ä/s"
        login = "us%40r:p%3A%C3%A4%2Fs"
        async with world.out(proxy=f"http://{login}@127.0.0.1:{world.proxy.port}") as out:
            assert (await out.send("POST", URL, {}, b"1")).status == 200
        [got] = world.receiver.received
        assert "authorization" not in {name.lower().removeprefix("proxy-") for name in got.headers}
        assert "p:ä/s" not in caplog.text + repr(Proxy.parse(f"http://{login}@127.0.0.1:1"))

    async def test_the_sixth_version_goes_in_brackets(self, world: World) -> None:
        v6 = "2606:4700:4700::1111"
        world.proxy.leads[f"[{v6}]:443"] = world.proxy.leads[f"{PUBLIC}:443"]
        async with world.out(answers=(v6,)) as out:
            assert (await out.send("GET", URL, {})).status == 200

    @pytest.mark.parametrize("silent", [False, True])
    async def test_a_second_address_is_tried(self, world: World, silent: bool) -> None:
        if silent:
            world.proxy.leads["93.184.216.99:443"] = None
        async with world.out(answers=("93.184.216.99", PUBLIC)) as out:
            assert (await out.send("GET", URL, {})).status == 200
        assert [each.to for each in world.proxy.asked] == ["93.184.216.99:443", f"{PUBLIC}:443"]

    async def test_each_address_is_asked_for_once(self, world: World) -> None:
        v6 = "2606:4700:4700::1111"
        async with world.out(answers=(v6, "93.184.216.98", "93.184.216.99")) as out:
            assert kind(await failure(out, URL)) == NOT_SENT
        asked = ["93.184.216.98:443", "93.184.216.99:443", f"[{v6}]:443"]
        assert [each.to for each in world.proxy.asked] == asked

    async def test_plain_http_goes_through_a_tunnel_too(self, world: World) -> None:
        """Or the proxy would see the request, and its credentials stand beside the target's."""
        async with listening(answer_ok) as port:
            world.proxy.leads[f"127.0.0.1:{port}"] = port
            async with world.out(loopback(port)) as out:
                reply = await out.send("POST", f"http://127.0.0.1:{port}/hook", {}, b"1")
        assert (reply.body, reply.private) == (b"ok", True)
        assert [asked.method for asked in world.proxy.asked] == ["CONNECT"]

    async def test_listed_servers_can_be_called_directly(self, world: World) -> None:
        async with (
            listening(answer_ok) as port,
            world.out(loopback(port), listed_direct=True) as out,
        ):
            assert (await out.send("GET", f"http://127.0.0.1:{port}", {})).body == b"ok"
            assert world.proxy.asked == []
            assert (await out.send("GET", URL, {})).body == b"ok"
        assert len(world.proxy.asked) == 1

    async def test_an_old_proxy_will_do(self, world: World) -> None:
        world.proxy.version = "1.0"
        async with world.out() as out:
            assert (await out.send("GET", URL, {})).status == 200

    @pytest.mark.parametrize("status", [302, 307])
    async def test_a_redirect_is_an_answer(self, world: World, status: int) -> None:
        world.receiver.always = Reply(status, headers={"Location": "https://127.0.0.1/"})
        async with world.out() as out:
            assert (await out.send("GET", URL, {})).status == status
        assert len(world.proxy.asked) == 1


class TestGuard:
    @pytest.mark.parametrize(
        "answers", [("10.0.0.7",), ("169.254.169.254",), ("127.0.0.1",), (PUBLIC, "10.0.0.7")]
    )
    async def test_what_must_not_be_called_is_not_asked_for(
        self, world: World, answers: tuple[str, ...]
    ) -> None:
        async with world.out(answers=answers) as out:
            assert kind(await failure(out, URL)) == BLOCKED
        assert world.proxy.asked == []

    @pytest.mark.parametrize(
        "url", ["https://10.0.0.7", "https://[::1]", "https://169.254.169.254"]
    )
    async def test_addresses_in_urls_are_judged(self, world: World, url: str) -> None:
        async with world.out() as out:
            assert kind(await failure(out, url)) == BLOCKED
            with pytest.raises(Exception, match="blocked_address"):
                await out.session.get(url)  # as a client would that brings its own requests
        assert world.proxy.asked == []

    async def test_the_proxy_itself_is_nobodys_target(self, world: World) -> None:
        port = world.proxy.port
        async with world.out(loopback(port), own=[f"127.0.0.1:{port}"]) as out:
            assert kind(await failure(out, f"http://127.0.0.1:{port}")) == BLOCKED
        assert world.proxy.asked == []

    async def test_a_certificate_for_another_name(self, world: World) -> None:
        async with world.out() as out:
            found = await failure(out, "https://other.example.com")
        assert kind(found) == NOT_SENT
        assert "certificate" in found.detail


class TestNamesByProxy:
    async def test_the_proxy_gets_the_name(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        def lookup(name: str) -> list[str]:
            raise AssertionError(f"{name} was looked up")

        world.proxy.leads[f"{HOST}:443"] = world.proxy.leads[f"{PUBLIC}:443"]
        async with world.out(resolves=True, lookup=lookup) as out:
            assert (await out.send("GET", URL, {})).status == 200
        assert [asked.to for asked in world.proxy.asked] == [f"{HOST}:443"]
        assert world.names == [HOST]
        [warning] = [each for each in caplog.messages if "EGRESS_PROXY_RESOLVES" in each]
        assert "private addresses" in warning
        assert "metadata" in warning

    @pytest.mark.parametrize(
        "url",
        [
            *("https://10.0.0.7", "https://127.0.0.1", "https://wiki.corp", "https://localhost"),
            *("https://hooks.example.com:9001", "http://hooks.example.com:9001"),
        ],
    )
    async def test_addresses_local_names_and_ports_are_still_judged(
        self, world: World, url: str
    ) -> None:
        async with world.out("10.9.0.0/16:9001", answers=("10.0.0.7",), resolves=True) as out:
            assert kind(await failure(out, url)) == BLOCKED
        assert world.proxy.asked == []

    async def test_a_listed_private_name_is_resolved_here(self, world: World) -> None:
        async with listening(answer_ok) as port:
            answers = ("127.0.0.1",)
            async with world.out(
                loopback(port), answers=answers, resolves=True, listed_direct=True
            ) as out:
                reply = await out.send("GET", f"http://wiki.corp:{port}", {})
        assert (reply.body, reply.private, world.proxy.asked) == (b"ok", True, [])


HEAD = b"HTTP/1.1 200 OK\r\n"


class TestBadProxies:
    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 (EGRESS_PROXY"),
            (b"HTTP/1.0 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!", "403"),
            (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "502"),
            (b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\n\r\n", "301"),
            (b"SSH-2.0-OpenSSH_9.7\r\n\r\n", "HTTP proxy"),
            (b"", "hung up"),
            (HEAD, "hung up"),
            (HEAD + b"X-Pad: " + b"x" * 20_000 + b"\r\n\r\n", "does not end"),
        ],
    )
    async def test_what_it_says_is_told_and_nothing_was_sent(
        self, world: World, answer: bytes, said: str
    ) -> None:
        world.proxy.answer = answer
        async with world.out() as out:
            found = await failure(out, URL)
        assert kind(found) == NOT_SENT
        assert HOST in found.detail
        assert "proxy" in found.detail
        assert said in found.detail
        assert world.receiver.received == []

    async def test_a_wrong_login_is_not_repeated(self, world: World) -> None:
        world.proxy.login = "user:right"
        async with world.out(proxy=f"http://user:wr0ng@127.0.0.1:{world.proxy.port}") as out:
            found = await failure(out, URL)
        assert kind(found) == NOT_SENT
        assert "407" in found.detail
        assert "wr0ng" not in repr(found)

    async def test_it_hangs(self, world: World) -> None:
        world.proxy.hangs = True
        async with world.out(total=0.9) as out:
            found = await failure(out, URL)
        assert kind(found) == NOT_SENT
        assert "proxy" in found.detail

    async def test_it_is_not_there(self, world: World) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            async with world.out(proxy=f"http://127.0.0.1:{bound.getsockname()[1]}") as out:
                found = await failure(out, URL)
        assert kind(found) == NOT_SENT
        assert "proxy: no connection to it: " in found.detail

    @pytest.mark.parametrize("name", ["proxy.invalid", "a" * 70, "a..b"])
    async def test_it_has_no_address(self, world: World, name: str) -> None:
        async with world.out(proxy=f"http://{name}:3128") as out:
            found = await failure(out, URL)
        assert kind(found) == NOT_SENT
        assert "proxy: no connection to it: " in found.detail

    async def test_it_dies_within_the_answer(self, world: World) -> None:
        world.receiver.always = Reply(200, b"x" * 50_000)
        world.proxy.cut_after = 20_000
        async with world.out() as out:
            found = await failure(out, URL)
        assert kind(found) == MAYBE_SENT
        assert "through the operator's proxy" in found.detail

    async def test_it_dies_within_the_handshake(self, world: World) -> None:
        world.proxy.cut_after = 100
        async with world.out() as out:
            found = await failure(out, URL)
        assert kind(found) == NOT_SENT
        assert "through the operator's proxy" in found.detail

    @pytest.mark.parametrize("answer", [b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"", None])
    async def test_no_socket_of_a_failed_tunnel_is_left(
        self, world: World, answer: bytes | None
    ) -> None:
        world.proxy.answer, world.proxy.hangs = answer, answer is None
        gc.collect()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            async with world.out(total=0.6) as out:
                await failure(out, URL)
            gc.collect()
        assert [str(each.message) for each in caught] == []


class TestChannels:
    async def test_slack_goes_through_it(self, tmp_path: Path) -> None:
        authority, receiver = Authority("slack.com"), SlackReceiver()
        ca_file = tmp_path / "company.pem"
        ca_file.write_text(authority.pem)
        async with serving(receiver, tls=authority.server), proxying(HttpProxy()) as proxy:
            proxy.leads[f"{PUBLIC}:443"] = int(receiver.url.rpartition(":")[2])
            made = outgoing("slack", "https://slack.com", message())
            route = Route.parse(proxy.url, False, False, ca_file)
            async with egress("", (), route, lookup=lambda _: [PUBLIC]) as out:
                await Slack().deliver(made, Slack().request(made), out)
        assert {asked.to for asked in proxy.asked} == {f"{PUBLIC}:443"}
        assert len(receiver.received) == 1

    @pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465)])
    async def test_mail_goes_through_it(self, security: Any, port: int, tmp_path: Path) -> None:
        """Its server speaks first, together with the proxy's answer."""
        receiver = SmtpReceiver(security)
        receiver.authority = Authority("mail.example.com")
        ca_file = tmp_path / "company.pem"
        ca_file.write_text(receiver.authority.pem)
        async with mail_serving(receiver), proxying(HttpProxy()) as proxy:
            proxy.leads[f"{PUBLIC}:{port}"] = receiver.port
            route = Route.parse(proxy.url, False, False, ca_file)
            async with egress("", (), route, lookup=lambda _: [PUBLIC]) as out:
                await mailed(out, receiver, security=security, port=port)
        [mail] = receiver.received
        assert mail.tls is not None
        assert [asked.to for asked in proxy.asked] == [f"{PUBLIC}:{port}"]

    async def test_a_proxy_that_has_443_only_says_so(self) -> None:
        receiver = SmtpReceiver()
        async with proxying(HttpProxy(answer=b"HTTP/1.1 403 Forbidden\r\n\r\n")) as proxy:
            route = Route.parse(proxy.url, False, False, None)
            async with egress("", (), route, lookup=lambda _: [PUBLIC]) as out:
                with pytest.raises(DeliveryFailed) as caught:
                    await mailed(out, receiver, port=587)
        assert kind(caught.value.failure) == NOT_SENT
        assert "proxy: it answered 403" in caught.value.failure.detail

    async def test_the_proxys_address_is_not_taken_for_the_servers(self) -> None:
        """Mail in the clear is for listed servers: that the proxy is listed makes no difference."""
        async with proxying(HttpProxy()) as proxy, listening(answer_ok) as port:
            proxy.leads[f"{PUBLIC}:25"] = port
            route = Route.parse(proxy.url, False, False, None)
            async with egress(loopback(proxy.port), (), route, lookup=lambda _: [PUBLIC]) as out:
                with pytest.raises(DeliveryFailed) as caught:
                    await mailed(out, SmtpReceiver("none"), port=25, security="none")
        assert kind(caught.value.failure) == BLOCKED


async def mailed(out: Egress, receiver: SmtpReceiver, **config: Any) -> None:
    given = {
        "host": "mail.example.com",
        "username": receiver.username,
        "password": receiver.password,
        "fromAddress": "notices@firelater.example",
        "to": ["ops@example.com"],
    }
    made = Outgoing(message(), EmailConfig.model_validate(given | config), EmailOptions())
    await Email().deliver(made, Email().request(made), out)


class TestSettings:
    @pytest.mark.parametrize(
        "proxy",
        [
            *(
                "proxy.example",
                "proxy.example:3128",
                "https://proxy.example:3128",
                "http://s3cret@",
            ),
            *("http://proxy.example", "http://a:s3cret@proxy.example:x", "socks5://proxy:1080"),
            *("http://a:s3c/ret@proxy:3128", "http://a:s3cret@proxy:3128/path", "http://[::1:3128"),
        ],
    )
    def test_a_proxy_that_is_none_is_named_without_its_secret(self, proxy: str) -> None:
        with pytest.raises(ValueError, match="EGRESS_PROXY: write http://") as caught:
            Route.parse(proxy, False, False, None)
        assert "s3c" not in "".join(map(str, (caught.value, caught.value.__cause__)))

    def test_names_cannot_be_left_to_no_proxy(self) -> None:
        with pytest.raises(ValueError, match="EGRESS_PROXY_RESOLVES needs EGRESS_PROXY"):
            Route.parse(None, True, False, None)

    def test_a_file_without_authorities_is_named(self, tmp_path: Path) -> None:
        empty = tmp_path / "empty.pem"
        empty.write_text("no certificate")
        for path in (empty, tmp_path / "missing.pem"):
            with pytest.raises(ValueError, match=f"EGRESS_CA_FILE: {path}"):
                Route.parse(None, False, False, path)

    async def test_an_authority_is_added_without_a_proxy_too(self, tmp_path: Path) -> None:
        authority, ca_file = Authority(HOST), tmp_path / "company.pem"
        ca_file.write_text(authority.pem)
        system = len(ssl.create_default_context().get_ca_certs())
        route = Route.parse(None, False, False, ca_file)
        assert len(route.trust.get_ca_certs()) == system + 1
        async with (
            listening(answer_ok, authority.server) as port,
            egress(loopback(port), (), route, lookup=lambda _: ["127.0.0.1"]) as out,
        ):
            assert (await out.send("GET", f"{URL}:{port}", {})).body == b"ok"
