"""Every class of address that must not be called, and addresses that operators may list."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress.address import is_public
from egress.guard import Refused, permit
from egress.policy import SMTP_PORTS, Policy
from tests.integrations.verdicts import INSIDE, STRICT, code, dialled, words

BLOCKED = {
    "this network": "0.0.0.0 0.1.2.3 0.255.255.255",
    "rfc1918": "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255",
    "cgnat": "100.64.0.0 100.100.100.200 100.127.255.255",
    "loopback": "127.0.0.0 127.0.0.1 127.255.255.255 ::1",
    "link-local": "169.254.0.0 169.254.255.255 fe80:: fe80::1 febf:ffff::1",
    "metadata": "169.254.169.254 169.254.170.2 168.63.129.16 192.0.0.192 fd00:ec2::254",
    "ietf": "192.0.0.0 192.0.0.8 192.0.0.170 192.0.0.255",
    "documentation": "192.0.2.0 192.0.2.255 198.51.100.7 203.0.113.9 2001:db8::1 3fff::1",
    "6to4 relay": "192.88.99.0 192.88.99.255",
    "benchmarking": "198.18.0.0 198.19.255.255 2001:2::1 2001:2:0:ffff::",
    "multicast": "224.0.0.0 239.255.255.255 ff00::1 ff02::1 ff0e::1 ffff::1",
    "class E": "240.0.0.0 254.255.255.255 255.255.255.255",
    "mapped": "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::ffff:0:0 ::ffff:c0a8:1",
    "compatible": "::127.0.0.1 ::10.0.0.1 ::8.8.8.8 ::2 ::",
    "siit": "::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8",
    "nat64": "64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 64:ff9b:1:ffff::a00:1",
    "6to4": "2002:: 2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808::1 2002:ffff:ffff::1",
    "teredo": "2001:: 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:0:ffff::1",
    "orchid": "2001:10::1 2001:20::1 2001:1::1 2001:1ff:ffff::1",
    "isatap": "2a05:d018::5efe:7f00:1 2a05:d018::200:5efe:7f00:1 fe80::5efe:a00:1",
    "ula": "fc00:: fc00::1 fd00::1 fd20:ce::254 fdff:ffff::1",
    "site-local": "fec0:: fec0::1 feff:ffff::1",
    "srv6": "5f00:: 5f00::1 5f00:ffff::1",
    "new documentation": "3fff:: 3fff:fff:ffff::1",
    "6bone": "3ffe:: 3ffe:ffff::1",
    "discard": "100:: 100::1 100::ffff:ffff:ffff:ffff 100:0:0:1::1",
    "never given out": "4000::1 8000::1 e000::1 1::1 1fff:ffff::1",
}


@pytest.mark.parametrize(
    "literal", [each for addresses in BLOCKED.values() for each in addresses.split()]
)
def test_no_special_address_is_dialled_or_named(literal: str) -> None:
    bracketed = f"[{literal}]" if ":" in literal else literal
    assert dialled(literal) == "blocked_address"
    assert code(f"https://{bracketed}/") == "blocked_address"
    assert code(f"http://{bracketed}/") == "blocked_address"


@pytest.mark.parametrize("literal", ["fe80::1%lo", "::1%1", "2606:4700:4700::1111%eth0"])
def test_an_address_with_a_zone_is_refused(literal: str) -> None:
    assert dialled(literal) == "blocked_address"
    assert code(f"https://[{literal}]/") == "zone_id_not_allowed"
    assert code(f"https://[{literal.replace('%', '%25')}]/") == "zone_id_not_allowed"


@pytest.mark.parametrize(
    "literal",
    words(
        "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255"
        " 128.0.0.1 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0"
        " 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255"
        " 2606:4700:4700::1111 2a00:1450:4001:82a::200e 2001:200::1 2001:4860:4860::8888"
        " 2003::1 ::ffff:8.8.8.8"
    ),
)
def test_public_addresses_are_called(literal: str) -> None:
    assert dialled(literal) == "public"


class TestAllowList:
    def test_a_listed_destination_is_called_at_its_port_only(self) -> None:
        assert dialled("10.1.2.3", 8443, INSIDE) == "listed"
        assert dialled("10.1.2.3", 443, INSIDE) == "blocked_address"
        assert dialled("10.1.3.3", 8443, INSIDE) == "blocked_address"
        assert dialled("fd12::5", 8443, INSIDE) == "listed"
        assert dialled("::ffff:10.1.2.3", 8443, INSIDE) == "listed"

    def test_public_servers_gain_no_port_from_a_private_network(self) -> None:
        assert dialled("8.8.8.8", 8443, INSIDE) == "port_not_allowed"
        assert dialled("8.8.8.8", 8444, INSIDE) == "public"
        assert code("https://8.8.8.8:8444/", INSIDE) == "https://8.8.8.8:8444/"
        assert code("https://8.8.8.8:8443/", INSIDE) == "port_not_allowed"

    @pytest.mark.parametrize(
        ("url", "result"),
        [
            ("http://127.0.0.1:9001/x", None),
            ("http://10.1.2.3:8443/", None),
            ("https://[fd12::1]:8443/", None),
            ("http://onprem.example.com:9001/", None),  # its addresses are judged at the dial
            ("http://127.0.0.2:9001/", "blocked_address"),
            ("http://localhost:9001/", "local_name"),
            ("http://example.com:8444/", "scheme_not_allowed"),
            ("http://8.8.8.8:8444/", "scheme_not_allowed"),
            ("http://example.com/", "scheme_not_allowed"),
        ],
    )
    def test_http_is_for_listed_destinations(self, url: str, result: str | None) -> None:
        assert code(url, INSIDE) == (result or url)

    def test_http_to_a_name_ends_where_public_servers_are_called(self) -> None:
        policy = Policy.parse("10.0.0.0/8:443, 10.0.0.0/8:8080, *:8080")
        assert code("http://example.com:443/", policy) == "scheme_not_allowed"
        assert code("http://example.com:8080/", policy) == "scheme_not_allowed"
        assert code("http://10.0.0.1:8080/", policy) == "http://10.0.0.1:8080/"

    @pytest.mark.parametrize(
        "literal",
        words(
            "169.254.169.254 169.254.170.2 168.63.129.16 100.100.100.200 192.0.0.192 0.0.0.0"
            " 224.0.0.1 255.255.255.255 fd00:ec2::254 fd20:ce::254 ::ffff:169.254.169.254"
            " fe80::1 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: 2001:0:1::1 2a05::5efe:a9fe:a9fe"
        ),
    )
    def test_metadata_and_disguises_stay_refused_if_listed(self, literal: str) -> None:
        network = f"[{literal}]" if ":" in literal else literal
        wide = "168.0.0.0/8:80,169.0.0.0/8:80,100.0.0.0/8:80,192.0.0.0/8:80,[fc00::/7]:80"
        policy = Policy.parse(f"{wide},{network}:80")
        assert dialled(literal, 80, policy) == "blocked_address"

    def test_our_own_servers_stay_refused_if_listed(self) -> None:
        own = ((ipaddress.ip_network("10.1.2.9"), 8443),)
        policy = Policy(INSIDE.private, own=own)
        assert dialled("10.1.2.9", 8443, policy) == "blocked_address"
        assert dialled("10.1.2.8", 8443, policy) == "listed"

    @pytest.mark.parametrize(
        "entry",
        words(
            "0.0.0.0/0:443 [::/0]:443 0.0.0.0/1:80 10.0.0.0/8 10.0.0.0/8: 10.0.0.0/8:0"
            " 10.1.2.3/24:80 10.0.0.0/8:65536 10.0.0.0/8:http 10.0.0.0/33:80 fd00::/8:443"
            " [fd00::/8] [10.0.0.0/8]:80 example.com:443 * *: *:x *:٣ nonsense"
            " [fe80::1%lo]:80 10.0.0.0/8:-1"
        ),
    )
    def test_a_bad_entry_is_named(self, entry: str) -> None:
        with pytest.raises(ValueError, match="EGRESS_ALLOW") as caught:
            Policy.parse(f"10.0.0.0/8:443,{entry}")
        assert repr(entry) in str(caught.value)

    def test_an_empty_list_is_strict(self) -> None:
        assert Policy.parse("") == Policy.parse(" , ") == STRICT


def test_mail_goes_to_the_ports_of_smtp() -> None:
    assert not any(permit("8.8.8.8", port, STRICT, SMTP_PORTS) for port in (25, 465, 587, 2525))
    with pytest.raises(Refused, match="port_not_allowed"):
        permit("8.8.8.8", 443, STRICT, SMTP_PORTS)
    with pytest.raises(Refused, match="blocked_address"):
        permit("10.0.0.1", 25, STRICT, SMTP_PORTS)


@given(st.ip_addresses())
def test_an_accepted_literal_is_public_to_others_too(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    literal = f"[{ip}]" if ip.version == 6 else str(ip)
    accepted = code(f"https://{literal}/").startswith("https")
    bare = getattr(ip, "ipv4_mapped", None) or ip
    assert accepted == is_public(bare) == (dialled(str(ip)) == "public")
    assert not accepted or (bare.is_global and not bare.is_multicast and not bare.is_reserved)
