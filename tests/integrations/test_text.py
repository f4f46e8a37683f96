"""Cutting text: never too long, never shorter than it must be, whatever is measured."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.text import compact, cut, json_bytes, link

MEASURES: list[Callable[[str], int]] = [len, json_bytes]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.mark.parametrize("measure", MEASURES)
@given(text=TEXTS, size=st.integers(0, 200))
def test_what_is_cut_fits_and_is_a_beginning(
    measure: Callable[[str], int], text: str, size: int
) -> None:
    found = cut(text, size, measure)
    if measure(text) <= size:
        assert found == text
    elif found:
        assert measure(found) <= size
        assert found.endswith("…")
        assert text.startswith(found[:-1])
    else:
        assert measure("…") > size


@pytest.mark.parametrize("measure", MEASURES)
@given(text=TEXTS, size=st.integers(5, 200))
def test_as_much_is_kept_as_fits(measure: Callable[[str], int], text: str, size: int) -> None:
    found = cut(text, size, measure)
    if found != text:
        longer = [text[:end].rstrip() + "…" for end in range(len(found), len(text))]
        assert all(measure(each) > size for each in longer if each != found)


def test_json_is_compact_and_in_utf_8() -> None:
    assert compact({"ü": [1, "\x01"]}) == '{"ü":[1,"\\u0001"]}'.encode()


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("https://a.example/x y", "https://a.example/x%20y"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("HTTPS://[::1]:8443/x", "https://[::1]:8443/x"),
        ("https://a.example/" + "p" * 82, "https://a.example/" + "p" * 82),
    ],
)
def test_a_link_that_every_vendor_takes(url: str, made: str) -> None:
    assert link(url, 100) == made


@pytest.mark.parametrize(
    "url",
    [
        *(None, "", "javascript:alert(1)", "https://u@a.example/", "https://a_b.example/x"),
        *("https://a.example/" + "p" * 83, "https://a.example/" + "ü" * 20),
    ],
)
def test_what_is_none_to_some_vendor_is_left_to_be_shown_as_text(url: str | None) -> None:
    assert link(url, 100) is None
