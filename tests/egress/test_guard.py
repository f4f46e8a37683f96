"""Every class of URL that is refused, and the canonical form of allowed ones."""

import socket
from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import example, given
from hypothesis import strategies as st

from egress.guard import Refused, check_server, is_literal, parse_host, parse_target
from egress.policy import Policy
from tests.integrations.verdicts import INSIDE, STRICT, code, words


class TestUrls:
    @pytest.mark.parametrize(
        "host",
        words(
            "2130706433 017700000001 0x7f000001 0x7f.0.0.1 0x7f.1 127.1 127.0.1 0177.0.0.1 0 1 127"
            " 127.0.0.1. 8.8.8.8. 1.1.1.1.1 127.000.000.001 08.8.8.8 256.1.1.1 1.2.3 0x 0X7F.1"
            " 0o177.0.0.1 example.1 example.0x7f example.com.1 1.1.1.0x1 4294967296"
        ),
    )
    def test_a_number_is_no_host(self, host: str) -> None:
        assert code(f"https://{host}/") == "numeric_host"

    @pytest.mark.parametrize(
        "host",
        words(
            "１２７.０.０.１ ①②⑦.0.0.1 ๑๒๗.๐.๐.๑ ١٢٧.0.0.1 ⓛocalhost ｅxample.com 127。0。0。1"
            " example。com example．com example｡com exa℀mple.com"
            " faceboo\u212a.com ℡.com ½.com ß\u0345.com"
        ),
    )
    def test_unicode_does_not_turn_into_ascii(self, host: str) -> None:
        assert code(f"https://{host}/") == "unicode_host"

    @pytest.mark.parametrize(
        "host",
        words(
            "localhost LOCALHOST localhost. foo.localhost a.local printer.local. x.internal"
            " metadata.google.internal instance-data.ec2.internal host.docker.internal kubernetes"
            " kubernetes.default.svc kubernetes.default.svc.cluster.local localhost.localdomain"
            " router.lan box.home a.home.arpa wiki.corp db.intranet x.private nothing.invalid"
            " ip6-localhost ip6-loopback metadata intranet"
        ),
    )
    def test_names_of_local_networks_are_refused(self, host: str) -> None:
        assert code(f"https://{host}/") == "local_name"

    @pytest.mark.parametrize("host", words("wiki.corp mail.lan hooks mattermost.default.svc"))
    def test_they_may_be_names_of_listed_servers(self, host: str) -> None:
        """A local name may be a listed server's; its address is checked when it is dialled."""
        for url in (f"https://{host}:8443/x", f"http://{host}:8443/x"):
            assert code(url, INSIDE) == url
        for url in (f"https://{host}/x", f"https://{host}:8444/x", f"http://{host}/"):
            assert code(url, INSIDE) == "local_name"

    @pytest.mark.parametrize(
        "host",
        words(
            "localhost LOCALHOST. x.localhost localhost.localdomain ip6-localhost metadata"
            " metadata.google.internal instance-data.ec2.internal"
        ),
    )
    def test_this_machine_and_metadata_have_no_name(self, host: str) -> None:
        assert code(f"https://{host}:8443/", INSIDE) == "local_name"

    def test_who_names_this_machine_is_told_to_name_its_address(self) -> None:
        told = "localhost cannot be called by name, .* give the host's address instead, such as"
        with pytest.raises(Refused, match=told) as refused:
            parse_target("http://localhost:9401/", INSIDE)
        assert "EGRESS_ALLOW" in refused.value.detail
        listed = Policy.parse("127.0.0.1/32:9401")
        assert parse_target("http://127.0.0.1:9401/", listed) == "http://127.0.0.1:9401/"

    def test_a_name_of_the_own_network_may_be_another_machines(self) -> None:
        with pytest.raises(Refused) as refused:
            parse_target("https://mail.localdomain/", INSIDE)
        assert refused.value.detail == (
            "mail.localdomain cannot be called by name, since such names mean this machine or its"
            " own network; give the host's address instead; the operator of this service may list"
            " address and port in EGRESS_ALLOW"
        )

    @pytest.mark.parametrize(
        ("host", "port", "said"),
        [
            ("mail.lan", 587, "local_name"),
            ("mail.lan", 2525, "allowed"),
            ("mail.lan.", 2525, "allowed"),
            ("localhost", 2525, "local_name"),
            ("10.1.2.3", 2525, "allowed"),
            ("10.1.9.9", 2525, "blocked_address"),
            ("mail.example.com", 587, "allowed"),
        ],
    )
    def test_mail_servers_alike(self, host: str, port: int, said: str) -> None:
        policy = Policy.parse("10.1.2.0/24:2525")
        if said == "allowed":
            check_server(host, port, policy)
            return
        with pytest.raises(Refused, match=said):
            check_server(host, port, policy)

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "https:",
            "https://",
            "https:///path",
            "https:example.com",
            "https:/example.com",
            "https:\\\\example.com",
            "https://example.com\\@127.0.0.1/",
            "https://exa\tmple.com/",
            "https://example.com/\n",
            "https://example.com\r\nHost: x/",
            "https://exa\0mple.com/",
            "https://exam\u200bple.com/",
            "https://example.com/\u200d",
            "https://example.com/\u202e",
            "https://exam\u00adple.com/",
            "https://example.com\u3000/",
            " https://example.com/",
            "https://example.com/ x",
            "https://example.com%2f.evil.com/",
            "https://127.0.0.1%00.example.com/",
            "https://%31%32%37.0.0.1/",
            "https://example..com/",
            "https://.example.com/",
            "https://example.com../",
            "https://./",
            "https://-a.example.com/",
            "https://a-.example.com/",
            "https://a_b.example.com/",
            "https://a,b.example.com/",
            "https://xn--/",
            "https://xn--a.com/",
            f"https://{'a' * 64}.com/",
            f"https://{'.'.join(['a' * 60] * 5)}.com/",
            f"https://example.com/{'a' * 2_048}",
            "https://::1/",
            "https://[::1/",
            "https://::1]/",
            "https://[]/",
            "https://[127.0.0.1]/",
            "https://[::1].example.com/",
            "https://[v1.x]/",
            "https://[::g]/",
            "https://[1:2:3:4:5:6:7:8:9]/",
            "0://example.com/",
            "ht~tp://example.com/",
        ],
    )
    def test_what_can_be_read_in_two_ways_is_refused(self, url: str) -> None:
        assert code(url) == "url_malformed"

    @pytest.mark.parametrize(
        "url",
        words(
            "https://user@example.com/ https://:@example.com/ https://@example.com/"
            " https://a:b@127.0.0.1/ https://example.com%40127.0.0.1/"
            " https://example.com:443@127.0.0.1/ https://[::1]@example.com/"
        ),
    )
    def test_users_and_passwords_are_refused(self, url: str) -> None:
        assert code(url) == "userinfo_not_allowed"

    @pytest.mark.parametrize(
        "port",
        [*words("0 00 0443 65536 99999 +443 -1 443x ٣ ４４３ 8443 22 25 80 5432 443443 4_43"), ""],
    )
    def test_other_ports_are_refused(self, port: str) -> None:
        assert code(f"https://example.com:{port}/") == "port_not_allowed"

    @pytest.mark.parametrize(
        "url",
        words(
            "http://example.com/ http://example.com:80/ ftp://example.com/ file:///etc/passwd"
            " gopher://example.com/ javascript:alert(1) data:text/html,x ws://example.com/"
            " jar:http://127.0.0.1!/ smtp://example.com:25/ //example.com/x example.com /x"
            " http://8.8.8.8/ httpss://example.com/ netdoc:///etc/passwd dict://example.com/"
        ),
    )
    def test_only_https_is_called(self, url: str) -> None:
        assert code(url) == "scheme_not_allowed"

    @pytest.mark.parametrize(
        ("url", "canonical"),
        [
            ("HTTPS://EXAMPLE.com.:443", "https://example.com/"),
            ("https://example.com?q=1#@evil.com", "https://example.com/?q=1"),
            ("https://example.com/a%2Fb/../c?x=%2f&y=a+b;@", None),
            ("https://MÜNCHEN.de/ü?ö", "https://xn--mnchen-3ya.de/%C3%BC?%C3%B6"),
            ("https://[2606:4700:4700:0:0::1111]/", "https://[2606:4700:4700::1111]/"),
            ("https://example.com/http://127.0.0.1@x:80", None),
            ("https://xn--mnchen-3ya.de/", None),
            ("https://a--b.1a.example.com/", None),
        ],
    )
    def test_the_canonical_form(self, url: str, canonical: str | None) -> None:
        assert code(url) == (canonical or url)


def test_details_never_repeat_path_or_query() -> None:
    for url in ("https://x/s3cret", "ftp://a.com/s3cret", "https://a.com:1/?k=s3cret", "a s3cret"):
        with pytest.raises(Refused) as caught:
            parse_target(url, STRICT)
        assert "s3cret" not in str(caught.value)


HOSTS = st.one_of(
    st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip)),
    st.from_regex(r"[0-9a-fx.]{1,20}", fullmatch=True),
    st.from_regex(r"([a-z0-9-]{1,8}\.){1,3}[a-z0-9]{1,6}\.?", fullmatch=True),
    st.text(max_size=20),
)
URLS = st.one_of(
    st.builds("https://{}{}{}".format, HOSTS, st.sampled_from(["", ":443", ":8443"]), st.text()),
    st.text(alphabet="https:/\\@[]%#?.0123456789abfx１。\t\n ", max_size=60),
    st.text(),
)


@given(URLS)
@example("https://example.com:443:443/")
@example("https://example.com?/../..")
def test_every_parser_reads_what_is_accepted_alike(url: str) -> None:
    try:
        canonical = parse_target(url, INSIDE)
    except Refused:
        return
    ours, client, dialler = (
        urlsplit(canonical),
        httpx.URL(canonical),
        yarl.URL(canonical, encoded=True),
    )
    assert canonical.isascii()
    assert parse_target(canonical, INSIDE) == canonical
    assert ours.hostname == client.raw_host.decode() == dialler.raw_host
    assert (ours.port or 443) == (client.port or 443) == dialler.port
    assert ours.hostname == parse_host(str(ours.hostname))
    if not is_literal(str(ours.hostname)):
        with pytest.raises(OSError, match="illegal"):
            socket.inet_aton(str(ours.hostname))


def test_a_refusal_that_the_operator_can_lift_says_how() -> None:
    def detail(url: str) -> str:
        with pytest.raises(Refused) as refused:
            parse_target(url, Policy())
        return refused.value.detail

    for url in ("https://10.1.2.3/hook", "https://hooks.example.com:8443/", "https://wiki.corp/"):
        assert "EGRESS_ALLOW" in detail(url)
    for url in ("http://169.254.169.254/", "https://metadata/"):  # nobody can list these
        assert "EGRESS_ALLOW" not in detail(url)
