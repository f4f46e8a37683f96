"""How the CSV tests read a text: the columns, the rows, and which records were rejected."""

import io
from dataclasses import dataclass

import polars as pl

from sources.readers.chunk import ROW, Chunk, Limits, Profile
from sources.readers.csv.opening import read_csv


@dataclass(frozen=True)
class Read:
    profile: Profile
    chunks: list[Chunk]

    @property
    def columns(self) -> list[str]:
        return [*self.profile.columns]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [row[1:] for chunk in self.chunks for row in chunk.frame.iter_rows()]

    @property
    def numbers(self) -> list[int]:
        return [number for chunk in self.chunks for number in chunk.frame[ROW]]

    @property
    def rejected(self) -> list[tuple[int, str]]:
        return [(each.row, each.code) for chunk in self.chunks for each in chunk.rejected]

    @property
    def frame(self) -> pl.DataFrame:
        return pl.concat(chunk.frame for chunk in self.chunks)


def read(
    content: bytes,
    charset: str = "utf-8",
    limits: Limits | None = None,
    delimiter: str | None = None,
) -> Read:
    profile = Profile(encoding=charset, delimiter=delimiter)
    stream = io.BytesIO(content)
    return Read(profile, [*read_csv(stream, profile, "incident", limits or Limits())])
