"""Links of events: which texts are links, and the form that vendors accept."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.values.link import link


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x?y=1#z"),
        ("HTTPS://A.Example/X", "https://a.example/X"),
        (" http://a.example \n", "http://a.example"),
        ("https://a.example/my file.txt?q=a b", "https://a.example/my%20file.txt?q=a%20b"),
        ("https://bücher.example/ä#ö", "https://xn--bcher-kva.example/%C3%A4#%C3%B6"),
        ("https://Straße.example/", "https://xn--strae-oqa.example/"),
        ("https://例え。テスト/", "https://xn--r8jz45g.xn--zckzah/"),
        ("https://db_1.corp.example/x", "https://db_1.corp.example/x"),
        ("https://_a.b_.example/x", "https://_a.b_.example/x"),
        ("https://a.example:8443/x", "https://a.example:8443/x"),
        ("https://a.example:/x", "https://a.example/x"),
        ("https://[2001:db8::1]:444/x", "https://[2001:db8::1]:444/x"),
        ("http://10.0.0.1/x", "http://10.0.0.1/x"),
        ("http://localhost:3000/x", "http://localhost:3000/x"),
        ("https://a.example?x", "https://a.example?x"),
        ("https://a.example//x//y", "https://a.example//x//y"),
        ("https://a.example/50%/%2F%zz", "https://a.example/50%25/%2F%25zz"),
        ("https://a.example/\u202egnp.exe", "https://a.example/%E2%80%AEgnp.exe"),
        ("https://a.example/@x:y", "https://a.example/@x:y"),
        ("https://a.example./x", "https://a.example./x"),
    ],
)
def test_links(url: str, made: str) -> None:
    assert link(url) == made


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "JaVaScript://a.example/%0aalert(1)", "data:text/html,x", "x"),
        *("ftp://a.example/", "file:///etc/passwd", "mailto:a@b.example", "//a.example/", ""),
        *("https://", "https:///x", "https:a.example", "https://?x", "https://.", "https://a..b"),
        *("https://bank.example@evil.example/", "https://u:p@a.example/", "https://@a.example"),
        *("https://a.example\\@evil.example", "https://a\n.example/", "https://a.example/\tx"),
        *("https://a b.example/", "https://[::1", "https://a.example:99999/", "https://a:0/"),
        *("https://a.example:x/", "https://-a.example/", "https://a<b>.example/", "https://[x]/"),
        *(None, 7, ["https://a.example"], {"href": "https://a.example"}),
    ],
    ids=repr,
)
def test_what_is_no_link(url: object) -> None:
    assert link(url) is None


_HOSTS = st.sampled_from(["a.example", "bücher.example", "a_b.example", "[::1]", "1.2.3.4"])


@given(_HOSTS, st.text())
def test_a_link_is_in_ascii_and_its_own_link_and_leads_to_the_same_host(
    host: str, rest: str
) -> None:
    made = link(f"https://{host}/{rest}")
    if made is not None:
        assert made.isascii()
        assert made.isprintable()
        assert " " not in made
        assert link(made) == made
        plain = link(f"https://{host}/")
        assert plain is not None
        assert urlsplit(made).netloc == urlsplit(plain).netloc


@given(st.text())
def test_anything_may_be_asked(url: str) -> None:
    for each in (url, f"https://{url}"):
        made = link(each)
        assert made is None or made.startswith(("https://", "http://"))
