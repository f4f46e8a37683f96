"""How benchmarks evaluate their measurements. No test asserts a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.growth import fit
from benchmarks.report import Figure, spread

SIZES = (100_000, 300_000, 1_000_000)


@given(a=st.floats(0, 10), b=st.floats(1e-6, 1e-3))
def test_the_fit_finds_the_line_that_the_times_are_on(a: float, b: float) -> None:
    line = fit({n: a + b * n for n in SIZES})
    assert line.a == pytest.approx(a, abs=1e-6)
    assert line.b == pytest.approx(b)
    assert line.worst == 0


def test_a_time_off_the_line_shows_as_a_residual() -> None:
    # Least squares through these sizes leaves the middle one 0.6045 of its offset (1 second).
    line = fit({100_000: 1.0, 300_000: 4.0, 1_000_000: 10.0})
    assert line.residuals[300_000] == pytest.approx(100 * 0.6045 / 4, abs=0.1)
    assert line.worst == max(abs(each) for each in line.residuals.values())


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("ratio", 1.5, 1.5), True),
        (Figure("ratio", 1.51, 1.5), False),
        (Figure("rate", 30_000, 30_000, "at_least"), True),
        (Figure("rate", 29_999, 30_000, "at_least"), False),
        (Figure("rate", 1), None),
    ],
)
def test_a_figure_is_held_against_its_bound(figure: Figure, holds: bool | None) -> None:
    assert figure.holds is holds


def test_the_median_comes_with_the_extremes() -> None:
    assert spread([3.0, 1.0, 2.5]) == {"median": 2.5, "min": 1.0, "max": 3.0}


def test_the_command_measures_imports_beside_the_floor(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "import_csv", "--rows", "200", "--repeat", "1"]
    ran = subprocess.run(
        [*command, "--cache", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    line = json.loads(ran.stdout.splitlines()[0])
    assert line["name"] == "import_csv"
    assert line["rows"] == 200
    assert line["execute_ratio"] * line["floor_s"]["median"] == pytest.approx(
        line["execute_s"]["median"], rel=0.05
    )
    assert [path.name for path in tmp_path.iterdir()] == ["incidents-200.csv"]
