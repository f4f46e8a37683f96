"""What a job's row says of its end, and what may still be done to it.

Who asks may be a run that an operator reset, a straggler, or a workflow that was started by hand:
the row is the judge, under its lock.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from domain.failures import BadInput, Problem
from domain.migration import FINAL, Counts, Options, Phase, Status, Undone
from storage import migration
from storage.ledger import Superseded
from storage.migration import Job
from storage.undo import undoable
from workflows import messages as m

_INTERRUPTED = Problem(code="terminated", detail="the job was being taken back")


def undone(row: Job) -> Undone:
    """What undo has taken back so far."""
    return Undone(**row["report"].get("undone", {}))


def standing(row: Job, counts: Counts) -> m.Standing:
    """The row, as a run that goes on with the job needs it."""
    problem, ending = row["failure"], row["ending"]
    if ending is None and row["phase"] == Phase.UNDOING:  # begun before endings were on record
        ending, problem = Status.FAILED, problem or _INTERRUPTED.model_dump(exclude_none=True)
    begun = row["started_at"] is not None
    return m.Standing(
        status=row["status"],
        ending=ending,
        problem=None if problem is None else Problem.model_validate(problem),
        records=row["total_records"],
        revision=row["mapping_revision"],
        options=Options.model_validate(row["options"]) if begun else None,
        counts=counts,
        undone=undone(row),
    )


async def begin_undo(connection: AsyncConnection, job_id: UUID, input: m.UndoInput) -> bool:
    """From now on nothing is written for the job, and it ends as `ending`; False if it has ended
    and stays as it is.

    How it ends stays with who was first: a job that its user cancelled is cancelled, whoever takes
    it back in the end. Raises Superseded if a job that has not completed is to be rolled back.
    """
    row = await migration.locked(connection, job_id)
    ending = input.ending or _of_older_history(row)
    if ending is Status.ROLLED_BACK and row["status"] not in FINAL:
        raise Superseded(f"only a completed job is rolled back, not one that is {row['status']}")
    if row["status"] in FINAL and (ending, row["status"]) != (
        Status.ROLLED_BACK,
        Status.COMPLETED,
    ):
        return False
    changes = {"phase": Phase.UNDOING, "ending": row["ending"] or ending}
    if row["ending"] is None and input.problem is not None:
        changes["failure"] = input.problem.model_dump(by_alias=True, exclude_none=True)
    await migration.next_epoch(connection, job_id)
    await migration.note(connection, job_id, **changes)
    return True


def _of_older_history(row: Job) -> Status | None:
    """For whom an undo is that does not say: only a Rollback takes a completed job back."""
    rolls_back = activity.info().workflow_type == "Rollback"
    return Status.ROLLED_BACK if rolls_back and row["status"] == Status.COMPLETED else None


async def end_of(
    connection: AsyncConnection, row: Job, wanted: Status, counts: Counts
) -> Status | None:
    """The status that the job ends in now; None if it has ended already.

    Raises BadInput if something of it is left that must not be: an operator can complete an undo
    by hand, with any result.
    """
    rolls_back = wanted is Status.ROLLED_BACK
    if migration.is_over(row) and not (rolls_back and row["status"] == Status.COMPLETED):
        return None
    status = Status(row["ending"] or wanted)
    if status is Status.ROLLED_BACK and row["status"] != Status.COMPLETED:
        raise Superseded(f"only a completed job is rolled back, not one that is {row['status']}")
    if status is Status.COMPLETED and counts.processed != row["total_records"]:
        detail = f"{counts.processed:,} of {row['total_records']:,} records are in the ledger"
        raise BadInput("incomplete", detail)
    if status is not Status.COMPLETED and await undoable(connection, row["id"]):
        raise BadInput("not_taken_back", "not everything that was imported is taken back")
    return status
