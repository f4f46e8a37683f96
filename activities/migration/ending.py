"""How a job has ended or is ending, by its row, and what may still be done with it.

The caller may be a run that an operator reset, a late activity, or a workflow that was started by
hand. So the locked row decides, and not what the caller believes.
"""

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity

from activities.migration.job import LoadedJob
from domain.failures import Problem
from domain.json_document import Json
from domain.migration.job import FINAL, Counts, Options, Phase, Status, Undone
from storage.migration import jobs as migration
from storage.migration.importing.ledger import Superseded
from storage.migration.jobs import Job
from workflows.migration import messages as m

_INTERRUPTED = Problem(code="terminated", detail="the job was being taken back")


def undone(row: Job) -> Undone:
    """The counts of what undo has taken back so far."""
    return Undone(**row["report"].get("undone", {}))


def recorded(row: Job, counts: Counts) -> m.RecordedJob:
    """What the job's row says, for a run that goes on with the job."""
    problem, ending = row["failure"], row["ending"]
    if ending is None and row["phase"] == Phase.UNDOING:  # by a version that recorded no endings
        ending, problem = Status.FAILED, problem or _INTERRUPTED.model_dump(exclude_none=True)
    begun = row["started_at"] is not None
    return m.RecordedJob(
        status=row["status"],
        ending=ending,
        problem=None if problem is None else Problem.model_validate(problem),
        records=row["total_records"],
        revision=row["mapping_revision"],
        options=Options.model_validate(row["options"]) if begun else None,
        counts=counts,
        undone=undone(row),
    )


async def begin_undo(connection: AsyncConnection, job: LoadedJob, input: m.UndoInput) -> bool:
    """Begin to take the locked job back, so that no run writes for it any more. False if it has
    ended and stays as it is.

    The first ending that is recorded stays: a job that its user cancelled ends as cancelled,
    whoever takes it back. Raises Superseded if a job that has not ended is to be rolled back.
    """
    row = job.row
    ending = input.ending or _of_older_history(row)
    if has_settled(row, ending):
        return False
    changes: Json = {"phase": Phase.UNDOING, "ending": row["ending"] or ending}
    if row["ending"] is None and input.problem is not None:
        changes["failure"] = input.problem.model_dump(by_alias=True, exclude_none=True)
    await migration.next_epoch(connection, job.id, **changes)
    return True


def _of_older_history(row: Job) -> Status | None:
    """The ending for an undo of an older history, which names none: `rolled_back` if a Rollback
    takes a completed job back, else None."""
    rolls_back = activity.info().workflow_type == "Rollback"
    return Status.ROLLED_BACK if rolls_back and row["status"] == Status.COMPLETED else None


def has_settled(row: Job, wanted: Status | None) -> bool:
    """Whether the job has ended and stays as it is, whatever ending is `wanted`. Only a completed
    job does not, if it is to be rolled back. Raises Superseded if a job that has not ended is to be
    rolled back."""
    rolls_back = Status.ROLLED_BACK in (row["ending"], wanted)
    if rolls_back and row["status"] not in FINAL:
        detail = f"only a completed job can be rolled back, not one that is {row['status']}"
        raise Superseded(detail)
    return row["status"] in FINAL and not (rolls_back and row["status"] == Status.COMPLETED)
