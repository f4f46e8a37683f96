"""What a benchmark says: one JSON line for programs, and one table for people at the end."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from rich.console import Console
from rich.table import Table


class LeftOut(Exception):
    """A benchmark cannot be run on this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that counts, and where it has one its bound: `at_most` or `at_least` this much."""

    name: str
    value: float
    bound: float | None = None
    kind: Literal["at_most", "at_least"] = "at_most"

    @property
    def holds(self) -> bool | None:
        """Whether the figure keeps to its bound; None without one."""
        if self.bound is None:
            return None
        return self.value <= self.bound if self.kind == "at_most" else self.value >= self.bound


@dataclass(frozen=True, slots=True)
class Line:
    """One benchmark's outcome: the figures that count, and what they were made of."""

    name: str
    figures: Sequence[Figure]
    details: dict[str, Any]

    def as_json(self) -> str:
        figures = {figure.name: round(figure.value, 3) for figure in self.figures}
        return json.dumps({"name": self.name, **figures, **self.details})


def spread(seconds: Iterable[float]) -> dict[str, float]:
    """The median of some runs, with the fastest and the slowest, for a noisy machine."""
    runs = [round(each, 4) for each in seconds]
    return {"median": median(runs), "min": min(runs), "max": max(runs)}


def show(lines: Iterable[Line], console: Console) -> None:
    """All figures in one table."""
    table = Table(title="Benchmarks", title_justify="left")
    table.add_column("benchmark")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("bound", justify="right")
    table.add_column("holds")
    for line in lines:
        for figure in line.figures:
            table.add_row(line.name, figure.name, _number(figure.value), *_verdict(figure))
    console.print(table)


def _verdict(figure: Figure) -> tuple[str, str]:
    if figure.bound is None:
        return "", ""
    sign = "≤" if figure.kind == "at_most" else "≥"
    return f"{sign} {_number(figure.bound)}", "yes" if figure.holds else "no"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
