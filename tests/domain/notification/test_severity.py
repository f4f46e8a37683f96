"""Common words for a severity, and texts that have no severity."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.notification.event import stated_severity
from domain.notification.severity import WORDS, Severity, SeveritySetting, understood

KNOWN = {word: level for level, words in WORDS.items() for word in words.split()}
SETTING: TypeAdapter[Severity] = TypeAdapter(SeveritySetting)


@pytest.mark.parametrize(
    ("words", "level"),
    [
        (["critical", "Crit", "FATAL", "P1", "sev1", "emergency", "Blocker"], Severity.CRITICAL),
        (["Sev 1", "SEV-1", "sev_1", "p-1", "S1", " p1 ", "Severity 1"], Severity.CRITICAL),
        (["1 - Critical", "1-critical", "5: Disaster", "P1 / page", "urgent!"], Severity.CRITICAL),
        (["high", "HIGH", " High\n", "err", "Error", "Major", "P2", "2 - High"], Severity.ERROR),
        (["sev-2", "priority 2", "High priority", "severity: high", "ＨＩＧＨ"], Severity.ERROR),
        (["warn", "Warning", "Medium", "moderate", "3 - Moderate", "P3"], Severity.WARNING),
        (["minor", "Average", "sev3", "Priority: Medium"], Severity.WARNING),
        (["info", "Informational", "low", "4 - Low", "notice", "DEBUG", "OK"], Severity.INFO),
        (["p4", "P5", "sev4", "Sev-5", "trivial", "Lowest", "normal"], Severity.INFO),
    ],
)
def test_words_of_the_field(words: list[str], level: Severity) -> None:
    assert {word: understood(word) for word in words} == dict.fromkeys(words, level)


@pytest.mark.parametrize(
    "said",
    [
        *("1", "0", "5", " 3 ", "٣", 1, 5, 2.0, True, None, [], ["high"], {}, "", " ", "-"),
        *(
            "meh",
            "none",
            "unknown",
            "not critical",
            "critical-ish",
            "p9",
            "sev 10",
            "P1a",
            "level 2",
        ),
        *("severity", "priority", "hoch", "😱", "criticality", "errors", "sev"),
    ],
    ids=repr,
)
def test_what_says_nothing(said: Any) -> None:
    assert understood(said) is None


def test_of_several_words_the_most_urgent_counts() -> None:
    assert understood("P4 / critical") is understood("critical (P4)") is Severity.CRITICAL


@given(
    st.sampled_from(sorted(KNOWN)),
    st.sampled_from([str.upper, str.title, str.lower]),
    st.sampled_from(["{}", " {} ", "[{}]", "{}!", "3 - {}", "Severity: {}", "\t{}\n"]),
)
def test_case_blanks_and_what_is_around_change_nothing(word: str, case: Any, around: str) -> None:
    assert understood(around.format(case(word))) is KNOWN[word]


@given(st.text() | st.integers() | st.floats() | st.lists(st.text()))
def test_anything_may_be_asked(said: Any) -> None:
    assert understood(said) in {None, *Severity}


def test_no_word_has_two_levels() -> None:
    every = [word for words in WORDS.values() for word in words.split()]
    assert len(every) == len(set(every))


def test_an_event_says_it_by_a_word_else_by_its_type() -> None:
    assert stated_severity("a.b", {"severity": "P1"}) is Severity.CRITICAL
    assert stated_severity("deploy.failed", {"severity": "low"}) is Severity.INFO
    assert stated_severity("deploy.failed", {"severity": "meh"}) is Severity.ERROR
    assert stated_severity("a.b", {"severity": 1}) is None


@pytest.mark.parametrize("word", ["High", "sev 2", "error", Severity.ERROR])
def test_a_setting_takes_the_words(word: str) -> None:
    assert SETTING.validate_python(word) is Severity.ERROR
    assert SETTING.validate_json(json.dumps(word)) is Severity.ERROR


@pytest.mark.parametrize("word", ["meh", "1", 1, None, "", ["high"]])
def test_a_setting_refuses_others_and_says_which_it_takes(word: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        SETTING.validate_python(word)
    [error] = raised.value.errors()
    assert all(known in error["msg"] for known in (*Severity, "p1", "high", "medium", "notice"))


def test_the_page_names_the_words() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "notification.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    published = {row[2].strip(" `"): row[1].strip().split(", ") for row in rows if len(row) == 5}
    for level, words in WORDS.items():
        spelt_out = ("severity", "priority")  # as is `Priority 2`
        assert published[level] == [
            each for each in words.split() if not each.startswith(spelt_out)
        ]
