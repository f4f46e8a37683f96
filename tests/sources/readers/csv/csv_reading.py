"""How the CSV tests read a text: the columns, the rows, and which records were rejected."""

import io
from dataclasses import dataclass

import polars as pl

from sources.readers.batch import ROW, Batch, Limits, Profile
from sources.readers.csv.reader import read_csv


@dataclass(frozen=True)
class Read:
    profile: Profile
    batches: list[Batch]

    @property
    def columns(self) -> list[str]:
        return [*self.profile.columns]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [row[1:] for batch in self.batches for row in batch.frame.iter_rows()]

    @property
    def numbers(self) -> list[int]:
        return [number for batch in self.batches for number in batch.frame[ROW]]

    @property
    def rejected(self) -> list[tuple[int, str]]:
        return [(each.row, each.code) for batch in self.batches for each in batch.rejected]

    @property
    def frame(self) -> pl.DataFrame:
        return pl.concat(batch.frame for batch in self.batches)


def read(
    content: bytes,
    charset: str = "utf-8",
    limits: Limits | None = None,
    delimiter: str | None = None,
) -> Read:
    profile = Profile(encoding=charset, delimiter=delimiter)
    stream = io.BytesIO(content)
    return Read(profile, [*read_csv(stream, profile, "incident", limits or Limits())])
