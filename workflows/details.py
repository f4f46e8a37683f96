"""What the Temporal UI shows of a running workflow (Markdown)."""

from domain.migration import Counts, Phase, Status, Undone
from workflows.messages import Reaped


def words(name: Phase | Status) -> str:
    return name.replace("_", " ")


def progress(state: str, counts: Counts, records: int) -> str:
    """A migration: its state, and what became of the records so far."""
    return (
        f"**{state}** · {counts.processed:,} of {records:,} records\n\n"
        "| imported | updated | skipped | failed |\n|---|---|---|---|\n"
        f"| {counts.inserted:,} | {counts.updated:,} | {counts.skipped:,} | {counts.failed:,} |"
    )


def taken_back(status: Status, undone: Undone) -> str:
    """A rollback that is over."""
    return (
        f"**{words(status)}** · {undone.deleted:,} records deleted, {undone.restored:,} restored,"
        f" {undone.kept:,} kept because they were edited since"
    )


def sweep(reaped: Reaped) -> str:
    """A sweep of the reaper that is over."""
    return (
        f"{reaped.started} jobs started, {reaped.closed} closed,"
        f" {reaped.objects} objects and {reaped.uploads} broken uploads removed"
    )
