"""Checks that every record of a job is accounted for: those that parsing found against the ledger.

A job is complete only if this check passes, whatever else says that it is.
"""

from dataclasses import dataclass

from domain.failures import Problem
from domain.migration.job import Counts, Undone

UNACCOUNTED = "records_unaccounted"
LEFT_BEHIND = "not_taken_back"


@dataclass(frozen=True, slots=True)
class Account:
    """What a job should have imported, and what the ledger says that it has.

    `records` is the number of records in the file, `batches` the number of batches of the run (None
    for runs that began before it was stored). `held` are the numbers of the committed batches, and
    `counts` is the sum of their outcomes, without batches that were taken back.
    """

    records: int
    batches: int | None
    held: frozenset[int]
    counts: Counts

    def missing(self, stop: int) -> list[int]:
        """The numbers of the batches before `stop` that are not committed."""
        return [number for number in range(stop) if number not in self.held]

    @property
    def is_complete(self) -> bool:
        """inserted + updated + skipped + failed = total, over exactly the batches of the run."""
        expected = self.held if self.batches is None else frozenset(range(self.batches))
        return self.held == expected and self.counts.processed == self.records


def unaccounted(account: Account) -> Problem | None:
    """The problem of a job that is not complete; None if it is."""
    if account.is_complete:
        return None
    of = "" if account.batches is None else f" of {account.batches:,}"
    counts = account.counts
    detail = (
        f"the file holds {account.records:,} records, but the import ledger accounts for"
        f" {counts.processed:,} ({counts.inserted:,} inserted, {counts.updated:,} updated,"
        f" {counts.skipped:,} skipped, {counts.failed:,} failed) in {len(account.held):,}{of}"
        " batches, so what was imported was taken back; upload the file again"
    )
    return Problem(
        code=UNACCOUNTED, detail=detail, expected=account.records, actual=counts.processed
    )


def out_of_order(missing: int) -> Problem:
    """The problem of an import that lacks an earlier batch of a file that repeats ids: which record
    of an id wins depends on the order of batches."""
    detail = (
        f"batch {missing + 1} of the import is no longer in the database while later ones are, and"
        " the file repeats ids, so that importing it now could let the wrong record win; what was"
        " imported was taken back; upload the file again"
    )
    return Problem(code=UNACCOUNTED, detail=detail)


def unread(records: int, valid: int, invalid: int) -> Problem | None:
    """The problem of a job whose stored chunks do not hold as many records as parsing found; None
    if they do."""
    if valid + invalid == records:
        return None
    detail = (
        f"parsing found {records:,} records, but their stored chunks hold {valid + invalid:,}"
        f" ({valid:,} valid, {invalid:,} invalid); nothing was imported; upload the file again"
    )
    return Problem(code=UNACCOUNTED, detail=detail, expected=records, actual=valid + invalid)


def left_behind(batches: int) -> Problem:
    """The problem of a job that is to end as taken back, while batches of it are still there."""
    detail = f"{batches:,} batches of the import are still in the database; undo them again"
    return Problem(code=LEFT_BEHIND, detail=detail, actual=batches)


def not_found(written: int, undone: Undone) -> str | None:
    """A warning, if fewer records were found to take back than the ledger says were written."""
    gone = written - undone.deleted - undone.restored - undone.kept
    if gone <= 0:
        return None
    return (
        f"the import had written {written:,} records, and taking it back found {written - gone:,}"
        " of them: somebody else had deleted the others before"
    )
