"""An event as a message: nothing is lost, and doubtful parts are noted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notification.event import Severity
from domain.notification.message import FACTS, Message, notes, render
from tests.integrations.examples import NOTIFICATION


def said(metadata: dict[str, Any]) -> Message:
    return render("d", NOTIFICATION | {"metadata": metadata}, Severity.INFO)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("text", "text"),
        ("", ""),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "–"),
        (["eu", "us", 3], "eu, us, 3"),
        ([True, 1.5], "true, 1.5"),
        ([], "[]"),
        ({}, "{}"),
        ({"a": [1, {"b": None}]}, '{"a": [1, {"b": null}]}'),
        ([["x"], "y"], '[["x"], "y"]'),
        (["ü"] * 400, ("ü, " * 167)[:500] + "…"),
        ({"k": "v" * 600}, '{"k": "' + "v" * 493 + "…"),
    ],
)
def test_facts_of_every_kind_are_shown(value: Any, shown: str) -> None:
    assert said({"fact": value}).facts == (("fact", shown),)


@pytest.mark.parametrize(("count", "left"), [(20, 0), (21, 2), (45, 26)])
def test_facts_beyond_the_limit_are_counted(count: int, left: int) -> None:
    facts = said({f"f{number}": number for number in range(count)}).facts
    assert len(facts) == FACTS
    assert facts[:19] == tuple((f"f{number}", str(number)) for number in range(19))
    assert facts[19] == (("…", f"and {left} more facts") if left else ("f19", "19"))


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.lists(st.text())))
def test_every_member_is_shown_or_counted(metadata: dict[str, Any]) -> None:
    made = said(metadata)
    counted = [int(text.split()[1]) for name, text in made.facts if name == "…" and "more" in text]
    shown = len(made.facts) - len(counted) + sum(counted)
    assert shown == len(metadata)
    assert made.extra == metadata


def test_what_has_a_place_of_its_own_is_not_said_twice() -> None:
    made = said({"severity": "Error", "url": "HTTPS://a.example/b c"})
    assert (made.severity, made.url, made.facts) == (
        Severity.ERROR,
        "https://a.example/b%20c",
        (),
    )


@pytest.mark.parametrize("url", ["ftp://a.example/x", "javascript:alert(1)", "https://u@a.example"])
def test_a_url_that_is_no_link_is_text(url: str) -> None:
    assert (said({"url": url}).url, said({"url": url}).facts) == (None, (("url", url),))


@pytest.mark.parametrize("word", ["P1", "high", "meh", 3])
def test_another_word_than_ours_is_shown_as_it_was_said(word: Any) -> None:
    assert said({"severity": word}).facts == (("severity", str(word)),)


@pytest.mark.parametrize("word", ["critical", "P1", " High ", None])
def test_of_what_is_understood_nothing_is_noted(word: Any) -> None:
    assert notes({"severity": word, "url": "https://a.example"}) == []
    assert notes({}) == []


@pytest.mark.parametrize(
    ("metadata", "noted"),
    [
        ({"severity": "meh"}, ['metadata.severity "meh" is not a known severity, so the']),
        ({"severity": 2}, ["metadata.severity 2 is not a known severity (a number alone may"]),
        ({"severity": "3"}, ['metadata.severity "3" is not a known severity (a number']),
        ({"severity": ["high"]}, ['metadata.severity ["high"] is not a known severity, so']),
        ({"url": "ftp://a"}, ['metadata.url "ftp://a" is not an http or https link, so it is']),
        ({"url": [], "severity": "?"}, ['metadata.severity "?"', "metadata.url [] is not an http"]),
    ],
)
def test_what_is_doubtful_is_noted(metadata: dict[str, Any], noted: list[str]) -> None:
    found = notes(metadata)
    assert len(found) == len(noted)
    assert all(one.startswith(start) for one, start in zip(found, noted, strict=True))
