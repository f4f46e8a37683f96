"""The options of a run, which every benchmark gets."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """`cache`: the folder of generated files. `rows`: how many rows or notifications; None for the
    benchmark's own number. `repeat`: how often each measurement is repeated."""

    cache: Path
    rows: int | None
    repeat: int
