"""The output of benchmarks: a JSON line for each, and a table of all figures at the end."""

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
    """A measured figure, with its bound if it has one: the value must be `at_most` or `at_least`
    the bound."""

    name: str
    value: float
    bound: float | None = None
    kind: Literal["at_most", "at_least"] = "at_most"

    @property
    def holds(self) -> bool | None:
        """Whether the value keeps the bound; None without a bound."""
        if self.bound is None:
            return None
        return self.value <= self.bound if self.kind == "at_most" else self.value >= self.bound


@dataclass(frozen=True, slots=True)
class Line:
    """The outcome of a benchmark: its figures, and details of how they came about."""

    name: str
    figures: Sequence[Figure]
    details: dict[str, Any]

    def as_json(self) -> str:
        figures = {figure.name: round(figure.value, 3) for figure in self.figures}
        return json.dumps({"name": self.name, **figures, **self.details})


def spread(seconds: Iterable[float]) -> dict[str, float]:
    """Median, minimum and maximum of several runs, which show how noisy the machine is."""
    runs = [round(each, 4) for each in seconds]
    return {"median": median(runs), "min": min(runs), "max": max(runs)}


def show(lines: Iterable[Line], console: Console) -> None:
    """Print all figures in one table."""
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
