"""What the Temporal UI shows of a running migration (Markdown)."""

from domain.migration.job import Counts, Phase, Status, Undone
from workflows.migration.messages import Validated


def words(name: Phase | Status) -> str:
    return name.replace("_", " ")


def progress(state: str, records: int, checked: Validated | None, counts: Counts) -> str:
    """A migration's progress: its state, the last validation of the file, the counts so far."""
    lines = [f"**{state}** · {counts.processed:,} of {records:,} records", ""]
    if checked is not None:
        lines.append(
            f"- file: {checked.valid:,} valid, {checked.invalid:,} invalid,"
            f" {checked.duplicates:,} duplicates (mapping {checked.revision})"
        )
    lines.append(
        f"- import: {counts.inserted:,} imported, {counts.updated:,} updated,"
        f" {counts.skipped:,} skipped, {counts.failed:,} failed"
    )
    return "\n".join(lines)


def batches(first: int, stop: int, total: int) -> str:
    """A segment of an import: batches `first` (from 0) up to, not including, `stop`."""
    which = f"batch {stop}" if stop - first == 1 else f"batches {first + 1}–{stop}"
    return f"import {which} of {total}"


def taken_back(status: Status, undone: Undone) -> str:
    """What a finished rollback took back."""
    return (
        f"**{words(status)}** · {undone.deleted:,} records deleted, {undone.restored:,} restored,"
        f" {undone.kept:,} kept because they were edited or are referred to since"
    )
