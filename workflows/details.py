"""What the Temporal UI shows of a running workflow (Markdown)."""

from collections.abc import Iterable

from domain.migration.job import Counts, Phase, Status, Undone
from workflows.messages import Lane, Reaped, Validated


def words(name: Phase | Status) -> str:
    return name.replace("_", " ")


def progress(state: str, records: int, checked: Validated | None, counts: Counts) -> str:
    """A migration: its state, what the last check of the file found, what is in so far."""
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
    """A rollback that is over."""
    return (
        f"**{words(status)}** · {undone.deleted:,} records deleted, {undone.restored:,} restored,"
        f" {undone.kept:,} kept because they were edited or are referred to since"
    )


def sweep(reaped: Reaped) -> str:
    """A sweep of the reaper that is over."""
    return (
        f"{reaped.started} jobs started, {reaped.closed} closed,"
        f" {reaped.objects} objects and {reaped.uploads} broken uploads removed,"
        f" {reaped.restarted} requests started again"
        + (f"; **{reaped.troubled} failed**, see the worker's log" if reaped.troubled else "")
    )


def lanes(deliveries: int, open: Iterable[Lane]) -> str:
    """A request's deliveries: what is open still, by integration. Timers say how long they wait."""
    waiting = list(open)
    left = sum(lane.open for lane in waiting)
    lines = [
        f"**{'delivering' if left else 'done'}** · {deliveries - left:,} of {deliveries:,}",
        "",
    ]
    lines += [f"- {lane_name(lane)}: {lane.open:,} open, {_doing(lane)}" for lane in waiting]
    return "\n".join(lines)


def lane_name(lane: Lane) -> str:
    return f"{lane.type} {lane.integration_id}"


def _doing(lane: Lane) -> str:
    if lane.wait is None:
        return "until somebody wakes them"
    return "waiting for their time" if lane.wait else "being sent"
