"""How every job ends: it is taken back unless it is complete, then cleaned up, then closed."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from domain.failures import Problem
from domain.migration.accounting import LEFT_BEHIND
from domain.migration.job import Counts, Phase, Status, Undone
from workflows.migration import messages as m
from workflows.migration import steps
from workflows.migration.details import words
from workflows.payload import Payload

T = TypeVar("T")


class Ended(Payload):
    """How a job ended: the counts of its import, and of what was taken back."""

    status: Status
    counts: Counts
    undone: Undone | None = None


async def end_job(
    job: m.JobRef, status: Status, problem: Problem | None, enter: Callable[[Phase], None]
) -> Ended:
    """End the job as `status`. Unless it is complete, all that it imported is taken back.

    Closing proves in the database that nothing is left behind; if something is, it is taken back,
    too, and the job is closed then.
    """
    try:
        return await _end_as(job, status, problem, enter)
    except ActivityError as error:
        if problem_of(error).code != LEFT_BEHIND:
            raise
    return await _end_as(job, status, problem, enter)


async def _end_as(
    job: m.JobRef, status: Status, problem: Problem | None, enter: Callable[[Phase], None]
) -> Ended:
    """Take the job back unless it is completed, clean up, and close it. A clean-up that fails is
    only a warning, as the reaper deletes the files later."""
    undone = None
    if status is not Status.COMPLETED:
        enter(Phase.UNDOING)
        undo = m.UndoInput(**dict(job), ending=status, problem=problem)
        undone = (await steps.undo_import(undo, "take back what was imported")).undone
    enter(Phase.CLEANING_UP)
    cleaned = True
    try:
        await steps.clean_up(job, "delete the upload and its chunks")
    except (ActivityError, ApplicationError):  # the latter if its result cannot be read
        cleaned = False
    end = m.CloseInput(job=job, status=status, problem=problem, undone=undone, cleaned=cleaned)
    closed = await steps.close_job(end, f"close as {words(status)}")
    enter(Phase.DONE)
    return Ended(status=closed.status, counts=closed.counts, undone=undone)


async def uninterrupted(ending: Coroutine[Any, Any, T]) -> T:
    """The result of `ending`, which goes on when its workflow is cancelled meanwhile."""
    task = asyncio.create_task(ending)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await workflow.wait([task])
    return task.result()


def problem_of(error: BaseException) -> Problem:
    """The problem as the failing activity stated it, for the job's record."""
    cause = error.cause if isinstance(error, ActivityError) and error.cause else error
    if isinstance(cause, ApplicationError):
        with suppress(ValidationError):  # details may be anything if an operator failed it by hand
            return Problem.model_validate(cause.details[0] if cause.details else None)
        return Problem(code=cause.type or "internal_error", detail=cause.message)
    return Problem(code="internal_error", detail=str(cause))
