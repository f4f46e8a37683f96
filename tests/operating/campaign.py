"""One operator's act on one import in one phase, and the errors found afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.service import RPCError

from embedded.child import Child, running
from embedded.files import kept_keyring
from embedded.ports import Ports
from settings import Settings
from tests.faults.stack import rows
from tests.operating import imports as i
from tests.operating.acts import ANY_END, Act
from tests.operating.gates import Gates
from tests.operating.imports import Scene, World
from tests.servers import Pausable
from tests.service import new_database, new_tenant, serving
from workflows.connection import connect


class Restless(Pausable):
    """A server that soon wants workflows to go on as new runs: after 120 events, not 4,096."""

    def _options(self) -> list[str]:
        early = "limit.historyCount.suggestContinueAsNew=120"
        return [*super()._options(), f"--dynamic-config-value={early}"]


@asynccontextmanager
async def world(home: Path, ports: Ports, postgres: str, name: str) -> AsyncIterator[World]:
    """A service of its own, on a Temporal server of its own."""
    server = Restless(home, ports.take(f"{name} temporal", 0), ports.take(f"{name} ui", 0))
    receivers = [ports.take(f"{name} receiver {number}", 0) for number in range(16)]
    settings = Settings(
        database_url=await new_database(postgres, name),
        temporal_address=server.address,
        local_storage_dir=home / "storage",
        import_slots=16,  # those that are held take one each
        admin_key_file=home / "bootstrap.key",
        egress_allow=",".join(f"127.0.0.1/32:{port}" for port in receivers),
        secrets_keyring_file=kept_keyring(home / "secrets.keyring"),
    )
    (home / "logs").mkdir(exist_ok=True)
    gates = Gates()
    async with running(Child(await server.program())), serving(settings, gates) as service:
        client = await connect(server.address, "default")
        tenant = await new_tenant(service)
        assert (await tenant.migrate(i.EXPORT))["successfulRecords"] == i.ROWS
        pairs = list(zip(receivers[::2], receivers[1::2], strict=True))
        yield World(service, client, gates, await rows(tenant), pairs)


@dataclass(frozen=True, slots=True)
class Trial:
    """The act, its phase, the job's end, and what is wrong with it."""

    phase: str
    act: str
    status: str
    problems: list[str]


async def tried(world: World, phase: str, act: Act) -> Trial:
    """Do one act. A job that was over before must be unchanged to the byte."""
    async with i.scene(world, phase) as scene:
        before = await _row(scene)
        await act.do(scene)
        job = await i.settled(scene)
        problems = list(await i.judged(scene, job, _ends(phase, act)))
        if phase in i.OVER and await _row(scene) != before:
            problems.append("the row of a job that was over has changed")
        if problems:
            problems += await _traces(scene, job)
        return Trial(phase, act.name, job["status"], problems)


async def _traces(scene: Scene, job: dict[str, Any]) -> list[str]:
    """Traces for finding a cause: the recorded end and the workflow's last events."""
    last: list[str] = []
    with suppress(RPCError):
        last = [EventType.Name(each.event_type) for each in (await scene.operator.events())[-6:]]
    names = [each.removeprefix("EVENT_TYPE_").lower() for each in last]
    return [f"at the end: {job['phase']}, {job['failure']}; {', '.join(names)}"]


def _ends(phase: str, act: Act) -> set[str]:
    """The statuses with which a job in this phase may end; an ended job keeps its own."""
    if phase in i.OVER:
        return {phase}
    rolled_back = "rolled_back" if phase.startswith("rollback/") else "cancelled"
    match phase.split("/"):
        case ["rollback", "undo_import", "before"]:  # the undo has not begun yet
            return {"rolled_back", "completed"}
        case ["cancel", "undo_import", "before"]:
            return ANY_END
        case ["rollback" | "cancel", *_]:
            return {rolled_back}
    if act.name == "rollback by hand" and phase.split("/")[0] in i.ENDING:
        return {*act.ends, "rolled_back"}  # it may begin when the job has just completed
    return set(act.ends)


async def _row(scene: Scene) -> Any:
    query = "select to_jsonb(j)::text from public.migration_jobs j where id = $1"
    return await scene.tenant.sql(query, scene.job_id)


def reset(number: int, *, reapply: bool) -> Act:
    """Reset to the run's workflow task of that number (from 0; -1 is the last)."""

    async def do(scene: Scene) -> None:
        points = await scene.operator.reset_points()
        if points and -len(points) <= number < len(points):
            await scene.operator.reset(points[number], reapply=reapply)

    name = f"reset to task {number}{'' if reapply else ', told nothing'}"
    return Act(name, do, frozenset({"completed"}))


def reset_of_first(number: int) -> Act:
    """Reset the first run to one of its workflow tasks, when there is a newer one."""

    async def do(scene: Scene) -> None:
        first, newest = await scene.operator.runs()
        points = await scene.operator.reset_points(first)
        if first == newest:
            await scene.operator.reset(points[-1])
        await scene.operator.reset(points[number], run_id=first)

    return Act(f"reset of the first run to task {number}", do, frozenset({"completed"}))


async def _is_reset_to(scene: Scene, event_id: int, run: str) -> bool:
    try:
        await scene.operator.reset(event_id, run_id=run)
    except RPCError:
        return False
    return True


_RESET_POINTS = (  # the first is as good as what becomes of it
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
)
_TOLD = (
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
)


async def resets(world: World, phase: str) -> list[Act]:
    """A reset to every event of a run in this phase that the server takes."""
    async with i.scene(world, phase) as scene:
        points, events = await scene.operator.reset_points(), await scene.operator.events()
        _, run = await scene.operator.runs()
        others = [each for each in events if each.event_type not in _RESET_POINTS]
        taken = [each.event_id for each in others if await _is_reset_to(scene, each.event_id, run)]
        assert not taken, f"the server takes resets to further events: {taken}"
    reapplied = (True, False) if any(each.event_type in _TOLD for each in events) else (True,)
    found = [reset(n, reapply=each) for n in range(len(points)) for each in reapplied]
    return [*found, reset_of_first(0), reset_of_first(-1)]
