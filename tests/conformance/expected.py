"""The tables of docs/delivery.md, which the conformance suite tests channels against."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "delivery.md"


class Answer(NamedTuple):
    """A row about an answer of one channel's vendor; `body` is None for any body."""

    channel: str
    statuses: frozenset[int]
    body: str | None
    outcome: str


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its header."""
    section = _PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]]


def numbers(text: str) -> frozenset[int]:
    """`400, 402–404` as numbers."""
    return frozenset(_numbers(text))


def _numbers(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.strip().partition("–")
        yield from range(int(first), int(last or first) + 1)


def answers(heading: str) -> list[Answer]:
    return [
        Answer(
            channel.strip("`"),
            numbers(statuses),
            None if body == "any" else body.strip("`"),
            outcome,
        )
        for channel, statuses, body, outcome in rows(heading)
    ]


def by_number(heading: str) -> dict[int, str]:
    """Each number's class; a number that two rows name is an error of the page."""
    found: dict[int, str] = {}
    for text, outcome in rows(heading):
        assert not found.keys() & numbers(text), f"{heading}: {text} is there twice"
        found |= dict.fromkeys(numbers(text), outcome)
    return found


def outcome(channel: str, status: int, body: str) -> str:
    """The class that docs/delivery.md gives to an answer over HTTP."""
    for row in [*answers("Success"), *answers("Errors in bodies")]:
        if row.channel == channel and status in row.statuses and row.body in (None, body):
            return row.outcome
    return by_number("Answers over HTTP")[status]
