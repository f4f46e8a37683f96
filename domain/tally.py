"""Counts a whole file before anything is written. Imports polars: not for workflows or the API."""

from dataclasses import dataclass, field

import polars as pl
import polars_hash as plh

from domain.migration import Counts, Duplicates


@dataclass(slots=True)
class RecordTally:
    """Gathers the mapped rows of a file in file order; however they are cut into batches.

    24 bytes a row. Identities are compared by their 64-bit XXH3 (two of a million ids meet
    with a probability of 3e-8).
    """

    _seen: list[pl.DataFrame] = field(default_factory=list)

    def add(self, rows: pl.DataFrame, existing: pl.Series | None = None) -> None:
        """Count `Mapped.rows`; `existing` (Int64) is the content hash that each row's record
        has in the target already, null where there is no such record."""
        identity = plh.NonCryptographicHashingNameSpace(pl.col("source_id")).xxh3_64()
        known = pl.lit(None, dtype=pl.Int64) if existing is None else pl.lit(existing)
        content = pl.col("content_hash")
        self._seen.append(rows.select(id=identity, content=content, existing=known))

    @property
    def duplicates(self) -> int:
        """How many rows have a source_id that an earlier row of the file had."""
        ids = pl.concat([batch["id"] for batch in self._seen]) if self._seen else pl.Series()
        return len(ids) - ids.n_unique()

    def counts(self, duplicates: Duplicates) -> Counts:
        """The outcome if records that exist, or came before, are skipped or are updated.

        An update that changes nothing is a skip: the row is like its predecessor, which is the
        row before it with the same id, or else the record that exists.
        """
        if not self._seen:
            return Counts()
        identity, content, existing = pl.col("id"), pl.col("content"), pl.col("existing")
        rows = pl.concat(self._seen).sort("id", maintain_order=True)
        is_first = identity.ne_missing(identity.shift(1))
        before = pl.when(is_first).then(existing).otherwise(content.shift(1))
        inserts = is_first & existing.is_null()
        changes = ~inserts & content.ne(before)
        inserted, changed = rows.select(a=inserts.sum(), b=changes.sum()).row(0)
        updated = changed if duplicates == "update" else 0
        skipped = rows.height - inserted - updated
        return Counts(inserted=inserted, updated=updated, skipped=skipped)
