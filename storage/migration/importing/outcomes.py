"""Decides what happens to each record of a batch, as if they came one after another. Writes
nothing.

Imports polars: not for workflows or the API.
"""

import polars as pl

from domain.migration.job import Skip
from storage.migration.importing.run import Run

INSERTED, UPDATED, REFUSED = "inserted", "updated", "refused"
OPEN = "open"  # updated if it differs from the tenant's record when its turn comes, else skipped


def outcomes(run: Run, rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """For each row its `_row`, `source_id`, `turn` (1 for the first row of an id, 2 for the next)
    and `outcome`: a constant of this module or a `Skip`. `known` comes from `known_records`
    (storage/migration/importing/known_records.py)."""
    repeated = rows.select(
        *("_row", "source_id", "content_hash"),
        turn=pl.col("source_id").cum_count().over("source_id"),
        before=pl.col("content_hash").shift(1).over("source_id"),
    )
    met = repeated.join(known, on="source_id", how="left", maintain_order="left")
    is_new = (pl.col("turn") == 1) & pl.col("known_hash").is_null()
    outcome = pl.when(is_new).then(pl.lit(INSERTED)).otherwise(_outcome_of_met(run))
    return met.select("_row", "source_id", "turn", outcome=outcome)


def _outcome_of_met(run: Run) -> pl.Expr:
    """The outcome of a row whose id the tenant, or an earlier row of the batch, has already."""
    if run.duplicates == "refuse":
        return pl.lit(REFUSED)
    if run.duplicates == "skip":
        is_theirs = pl.col("mine").not_().fill_null(False)
        return (
            pl.when(is_theirs)
            .then(pl.lit(Skip.EXISTS.value))
            .otherwise(pl.lit(Skip.REPEATED.value))
        )
    how, edited = run.replacing, pl.col("edited").fill_null(False)
    like_record = (pl.col("content_hash") == pl.col("known_hash")) & ~edited
    # A row with the same content as the row of its id before it changes nothing.
    like_before = pl.col("content_hash") == pl.col("before")
    of_first = like_record & (not how.empty_overwrites)
    is_like = pl.when(pl.col("turn") > 1).then(like_before).otherwise(of_first)
    kept = pl.when(edited & (not how.overwrite_edits)).then(pl.lit(Skip.EDITED.value))
    return kept.when(is_like).then(pl.lit(Skip.UNCHANGED.value)).otherwise(pl.lit(OPEN))
