"""What a job's row says of its end, and what may still be done to it.

Who asks may be a run that an operator reset, a straggler, or a workflow that was started by hand:
the row is the judge, under its lock.
"""

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.job import lock_job
from domain.failures import Problem
from domain.migration import FINAL, Counts, Options, Phase, Status, Undone
from storage import migration
from storage.ledger import Superseded
from storage.migration import Job
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


async def begin_undo(connection: AsyncConnection, input: m.UndoInput) -> bool:
    """From now on nothing is written for the job, and it ends as `ending`; False if it has ended
    and stays as it is.

    How it ends stays with who was first: a job that its user cancelled is cancelled, whoever takes
    it back in the end. Raises Superseded if a job that has not completed is to be rolled back.
    """
    job = await lock_job(connection, input)
    row = job.row
    ending = input.ending or _of_older_history(row)
    if ending is Status.ROLLED_BACK and row["status"] not in FINAL:
        raise _not_completed(row)
    if row["status"] in FINAL and (ending, row["status"]) != (
        Status.ROLLED_BACK,
        Status.COMPLETED,
    ):
        return False
    changes = {"phase": Phase.UNDOING, "ending": row["ending"] or ending}
    if row["ending"] is None and input.problem is not None:
        changes["failure"] = input.problem.model_dump(by_alias=True, exclude_none=True)
    await migration.next_epoch(connection, job.id)
    await migration.note(connection, job.id, **changes)
    return True


def _of_older_history(row: Job) -> Status | None:
    """For whom an undo is that does not say: only a Rollback takes a completed job back."""
    rolls_back = activity.info().workflow_type == "Rollback"
    return Status.ROLLED_BACK if rolls_back and row["status"] == Status.COMPLETED else None


def end_of(row: Job, wanted: Status) -> Status | None:
    """The status that the job ends in now; None if it has ended already.

    Raises Superseded if it is to be rolled back and has not completed.
    """
    rolls_back = wanted is Status.ROLLED_BACK
    if migration.is_over(row) and not (rolls_back and row["status"] == Status.COMPLETED):
        return None
    status = Status(row["ending"] or wanted)
    if status is Status.ROLLED_BACK and row["status"] != Status.COMPLETED:
        raise _not_completed(row)
    return status


def _not_completed(row: Job) -> Superseded:
    return Superseded(f"only a completed job is rolled back, not one that is {row['status']}")
