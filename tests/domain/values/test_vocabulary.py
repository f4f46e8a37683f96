"""The words of statuses, priorities and booleans."""

import pytest

from domain.values.vocabulary import (
    boolean_of,
    labelled_priority_of,
    priority_of,
    status_of,
    status_words,
)


@pytest.mark.parametrize(
    ("word", "priority"),
    [
        ("1", 1),
        (" 4 ", 4),
        ("1 - Critical", 1),
        ("2 - High", 2),
        ("3 - Moderate", 3),
        ("4 - Critical", 1),
        ("P1 - Low", 4),
        ("1 low", 4),
        ("2 normal", 3),
        ("3 high", 2),
        ("1 very low", 4),
        ("5 very high", 1),
        ("P2: High", 2),
        ("(3) Medium", 3),
        ("High (2)", 2),
        ("4-Niedrig", None),
        ("2 - Urgent", None),
        ("please treat as high", None),
        ("not critical", None),
        ("low hanging fruit", None),
        ("P2", 2),
        ("5 - Planning", 4),
        ("High", 2),
        ("MEDIUM", 3),
        ("very low", 4),
        ("5", None),
        ("0", None),
        ("10", None),
        ("1,970", None),
        ("1.5", None),
        ("high or low", None),
        ("highest", 1),
        ("2 high or low", None),
        ("1 - Critical (2)", 1),
        ("", None),
    ],
)
def test_priority(word: str, priority: int | None) -> None:
    assert priority_of(word) == priority


@pytest.mark.parametrize("text", ["-" * 100_000 + "!", "1" + "." * 100_000 + "!", "a-" * 50_000])
def test_long_runs_of_marks_are_judged_at_once(text: str) -> None:
    """A thousand dashes took seconds, ten thousand an hour, and stopped the process meanwhile."""
    assert priority_of(text) is None


@pytest.mark.parametrize(
    ("word", "priority"),
    [
        ("4-Niedrig", 4),
        ("2 - Urgent", 2),
        ("5 - Whatever", 4),
        ("4 - Critical", 1),
        ("5", None),
        ("Urgent", None),
        ("10 - Urgent", None),
        ("2 users are down", None),
    ],
)
def test_a_label_of_servicenow_goes_by_its_digit(word: str, priority: int | None) -> None:
    assert labelled_priority_of(word) == priority


@pytest.mark.parametrize(
    "word", ["true", "TRUE", " 1 ", "yes", "Y", "active", "Enabled", "vero", "wahr", "oui", "sí"]
)
def test_true(word: str) -> None:
    assert boolean_of(word) is True


@pytest.mark.parametrize(
    "word", ["false", "0", "no", "N", "inactive", "disabled", "falso", "falsch", "non"]
)
def test_false(word: str) -> None:
    assert boolean_of(word) is False


@pytest.mark.parametrize("word", ["", "2", "maybe", "-1", "true false"])
def test_neither(word: str) -> None:
    assert boolean_of(word) is None


def test_a_status_is_known_by_any_spelling_of_its_name() -> None:
    assert status_of(" In  Progress", ["new", "in_progress"]) == "in_progress"
    assert status_of("progress", ["new", "in_progress"]) is None


def test_of_two_meanings_for_a_word_the_first_counts() -> None:
    words = status_words([("open", "new"), ("OPEN", "closed"), ("open", "closed")], ["new"])
    assert (words.meaning("open"), words.meaning("OPEN"), words.meaning("Open")) == (
        "new",
        "closed",
        "new",
    )
