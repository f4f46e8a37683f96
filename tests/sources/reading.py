"""How the tests of readers read a file: its records as dicts, or the problem it is refused with."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest

from domain.failures import BadInput, Problem, Rejected
from sources.readers.chunk import ROW, Chunk, Limits, Profile, Reader


@dataclass(frozen=True)
class Read:
    chunks: list[Chunk]
    profile: Profile

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Each record with its number and the fields that it has."""
        return [
            {name: value for name, value in row.items() if value is not None}
            for chunk in self.chunks
            for row in chunk.frame.iter_rows(named=True)
        ]

    @property
    def values(self) -> list[dict[str, str]]:
        """Each record's fields alone."""
        return [
            {name: str(value) for name, value in row.items() if name != ROW} for row in self.rows
        ]

    @property
    def rejected(self) -> list[Rejected]:
        return [each for chunk in self.chunks for each in chunk.rejected]


def read(
    reader: Reader, content: bytes, table: str = "incident", limits: Limits | None = None
) -> Read:
    profile = Profile()
    return Read([*reader(BytesIO(content), profile, table, limits or Limits())], profile)


def refusal(
    reader: Reader, content: bytes, table: str = "incident", limits: Limits | None = None
) -> Problem:
    with pytest.raises(BadInput) as refused:
        read(reader, content, table, limits)
    return refused.value.problem
