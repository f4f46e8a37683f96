"""How the time of an import grows with its number of rows: a line t = a + b·n by least squares."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import linear_regression, median
from typing import Any

from benchmarks.generate import export
from benchmarks.importing import Import, import_once
from benchmarks.plan import Plan
from benchmarks.report import Figure, Line, spread
from benchmarks.stack import stack

_SIZES = (100_000, 300_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted line: `a` seconds at zero rows, `b` seconds for each row. `residuals`: by number of
    rows, how far the measured time is off the line, in percent."""

    a: float
    b: float
    residuals: Mapping[int, float]

    @property
    def worst(self) -> float:
        return max(abs(each) for each in self.residuals.values())


def growth(plan: Plan) -> Line:
    """Imports of three sizes take turns; `--rows` sets the largest size."""
    sizes = [size * (plan.rows or _SIZES[-1]) // _SIZES[-1] for size in _SIZES]
    files = {size: export(plan.cache, "csv", size) for size in sizes}
    runs: dict[int, list[Import]] = {size: [] for size in sizes}
    with stack() as running:
        for _ in range(plan.repeat):
            for size, file in files.items():
                runs[size].append(import_once(running, file, size))
    figures: list[Figure] = []
    details: dict[str, Any] = {"rows": sizes}
    for part in ("execute", "total"):
        times = {size: [getattr(each, part) for each in imports] for size, imports in runs.items()}
        line = fit({size: median(each) for size, each in times.items()})
        figures.append(Figure(f"{part}_a_s", line.a, 2))
        figures.append(Figure(f"{part}_residual_percent", line.worst, 15))
        details[f"{part}_s"] = {size: spread(each) for size, each in times.items()}
        details[f"{part}_fit"] = {"rows_per_s": round(1 / line.b), "residuals": line.residuals}
    return Line("growth", figures, details)


def fit(seconds: Mapping[int, float]) -> Fit:
    """Fit the line to the seconds by number of rows."""
    b, a = linear_regression(list(seconds), list(seconds.values()))
    residuals = {n: round(100 * (t - a - b * n) / t, 1) for n, t in seconds.items()}
    return Fit(a, b, residuals)
