"""What every benchmark is told."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """Where generated files are kept, how many rows instead of a benchmark's own number, and how
    often each measurement is repeated."""

    cache: Path
    rows: int | None
    repeat: int
