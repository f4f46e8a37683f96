"""Every act of an operator, and the statuses that a job may have after it.

`None` is done in every phase; else the phases are named in which it makes a difference.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from tests.operating.imports import Scene
from workflows.migration.messages import JobRef
from workflows.migration.start import migration_id, rollback_id
from workflows.migration.workflow import MigrationInput
from workflows.step import ORCHESTRATE

Do = Callable[[Scene], Awaitable[None]]
COMPLETES, FAILS, IS_CANCELLED = {"completed"}, {"failed"}, {"cancelled"}
ANY_END = {"completed", "failed", "cancelled"}


@dataclass(frozen=True, slots=True)
class Act:
    """`ends`: what becomes of a running import; one that is being taken back, or is over, ends
    as it would have ended without."""

    name: str
    do: Do
    ends: frozenset[str]

    @property
    def of_activity(self) -> bool:
        return self.name.startswith("activity ")


def acts() -> list[Act]:
    """All acts except resets, which depend on the run's history."""
    ended = [
        Act("terminate", _terminate, frozenset(ANY_END)),
        Act("cancel", _cancel, frozenset(ANY_END)),
        Act("delete", _delete, frozenset(ANY_END)),
    ]
    harmless = [
        Act("garbage", _garbage, frozenset(COMPLETES)),
        Act("pause workflow", _pause, frozenset(COMPLETES)),
        Act("start again", _start_again, frozenset(COMPLETES)),
        Act("start anew", _start_anew, frozenset(COMPLETES)),
        Act("start under another id", _start_elsewhere, frozenset(COMPLETES)),
        Act("rollback by hand", _rollback_by_hand, frozenset(COMPLETES)),
        *(
            Act(f"activity {verb}", _to_activity(verb), frozenset(COMPLETES))
            for verb in ("pause", "reset", "update-options")
        ),
    ]
    invented = [
        Act("activity complete", _complete, frozenset(ANY_END)),
        Act("activity complete with nonsense", _nonsense, frozenset(ANY_END)),
        Act("activity fail", _to_activity("fail", {"no": "problem"}), frozenset(ANY_END)),
    ]
    return [*ended, *harmless, *invented]


async def _terminate(scene: Scene) -> None:
    with suppress(RPCError):
        await scene.operator.terminate()


async def _cancel(scene: Scene) -> None:
    with suppress(RPCError):
        await scene.operator.cancel()


async def _delete(scene: Scene) -> None:
    with suppress(RPCError):
        await scene.operator.delete()


async def _garbage(scene: Scene) -> None:
    for kind in ("signal", "update"):
        for name in ("nothing", "resume" if kind == "signal" else "preview", "execute", "undo"):
            for arguments in ([], ["nonsense"], [{"options": {"batchSize": "x"}}], [1, 2, 3]):
                if (kind, name, arguments) != ("update", "execute", []):
                    await scene.operator.tell(kind, name, arguments)


async def _pause(scene: Scene) -> None:
    """A paused workflow finishes its running steps, and a sweep leaves it alone."""
    try:
        await scene.operator.pause()
    except RPCError:  # it is over
        return
    scene.world.gates.open(scene.tenant.id)
    await scene.held.give()
    reaped = await scene.world.sweep(scene.tenant.slug)
    if reaped.closed or reaped.troubled:
        scene.problems.append(f"the sweep does {reaped}")
    scene.ask("cancel")
    answer = await scene.answers.pop()
    if answer.status_code != 409 or not answer.json()["detail"]:
        scene.problems.append(f"the API answers {answer.status_code}: {answer.text}")


def _input(scene: Scene, **more: Any) -> MigrationInput:
    job = JobRef(tenant_id=scene.tenant.id, job_id=scene.job_id)
    return MigrationInput(job=job, ttl_seconds=3600, **more)


async def _start(scene: Scene, id: str, kind: str, input: Any, **how: Any) -> None:
    with suppress(WorkflowAlreadyStartedError):
        await scene.world.client.start_workflow(kind, input, id=id, task_queue=ORCHESTRATE, **how)


async def _start_again(scene: Scene) -> None:
    await _start(scene, scene.operator.workflow_id, scene.kind, _input(scene))


async def _start_anew(scene: Scene) -> None:
    """In place of the run that is there, and as another one would have been started."""
    how = {"id_conflict_policy": WorkflowIDConflictPolicy.TERMINATE_EXISTING}
    id = migration_id(scene.job_id)
    await _start(scene, id, "Migration", _input(scene, dry_run=True), **how)


async def _start_elsewhere(scene: Scene) -> None:
    for kind in ("Migration", "Rollback"):
        id = f"by hand/{kind}/{scene.job_id}"
        await _start(scene, id, kind, _input(scene))
    await _start(scene, rollback_id(scene.job_id), "Migration", _input(scene))


async def _rollback_by_hand(scene: Scene) -> None:
    """Start a rollback's workflow; not for a completed job, which it would rightly take back."""
    if (await scene.job())["status"] != "completed":
        await _start(scene, rollback_id(scene.job_id), "Rollback", _input(scene))


def _to_activity(verb: str, result: Any = None) -> Do:
    async def do(scene: Scene) -> None:
        with suppress(RPCError):
            await scene.operator.each_pending(verb, result)
        if verb == "pause":
            scene.world.gates.open(scene.tenant.id)
            await scene.held.give()
            with suppress(RPCError):
                await scene.operator.each_pending("unpause")

    return do


async def _complete(scene: Scene) -> None:
    with suppress(RPCError):
        for each in await scene.operator.pending():
            invented = _INVENTED[each.activity_type.name]
            await scene.operator.each_pending("complete", invented)


async def _nonsense(scene: Scene) -> None:
    with suppress(RPCError):
        await scene.operator.each_pending("complete", "nonsense")


_INVENTED: dict[str, Any] = {
    "inspect_upload": {"size": 1, "etag": "another"},
    "parse_upload": {"records": 1, "chunks": 1},
    "validate_records": {
        **{"revision": 1, "valid": 1, "invalid": 0, "duplicates": 0, "accepted": True}
    },
    "set_state": {"status": "preview"},
    "begin_import": {"epoch": 99, "batches": 1},
    "import_segment": {"next": 1_000_000, "counts": {"inserted": 1}},
    "recall_job": {"status": "completed"},
    "undo_import": {"undone": {"deleted": 1}},
    "clean_up": {"deleted": 1},
    "close_job": {"status": "completed", "counts": {"inserted": 1}},
}
