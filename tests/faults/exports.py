"""Exports of any length for tests that need an import to last for a while."""

from collections.abc import Iterable

HEADER = "number,title,status,priority,opened,building"


def export(rows: int | Iterable[int], title: str = "Printer on fire") -> bytes:
    """A CSV of incidents: each number is an id, and its place in the file is its row."""
    numbers = range(1, rows + 1) if isinstance(rows, int) else rows
    lines = (
        f"INC{number:07},{title} {number},{_STATUSES[number % 3]},{number % 4 + 1},"
        f"2024-05-{number % 28 + 1:02} 08:00:{number % 60:02},Building {number % 97}"
        for number in numbers
    )
    return "\n".join([HEADER, *lines, ""]).encode()


_STATUSES = ("New", "In Progress", "Closed")
