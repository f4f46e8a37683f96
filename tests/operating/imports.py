"""Imports that an operator disturbs: their phase at that time, and checks afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from temporalio.client import Client
from temporalio.service import RPCError

from tests.faults.exports import export
from tests.faults.stack import Rows, rows
from tests.operating.gates import Gate, Gates, Moment
from tests.operating.operator import Operator
from tests.service import ENDED, Service, Tenant, new_tenant
from tests.until import until
from workflows.execution import PAUSED, is_alive
from workflows.migration.start import migration_id, rollback_id
from workflows.reaper import ReaperWorkflow
from workflows.step import ORCHESTRATE
from workflows.sweep import Reaped, ReapInput

ROWS, BATCH, MIDDLE = 1_200, 100, 4  # the batch before which an import is held in its middle
EXPORT = export(ROWS)
_WITHIN = 120.0

# A phase is a step of the job's workflow, held before it begins or after it ended and before the
# workflow is told; or a state of the job in which nothing is held.
FORWARD = ("inspect_upload", "parse_upload", "validate_records", "begin_import", "import_segment")
ENDING = ("clean_up", "close_job")
BACKWARD = ("undo_import", *ENDING)
MOMENTS: tuple[Moment, ...] = ("before", "after")
RUNNING = [f"{step}/{moment}" for step in (*FORWARD, *ENDING) for moment in MOMENTS]
RUNNING += ["preview", "continued", "middle", "paused"]
UNDOING = [f"cancel/{step}/{moment}" for step in BACKWARD for moment in MOMENTS]
ROLLING_BACK = [f"rollback/{step}/{moment}" for step in BACKWARD for moment in MOMENTS]
OVER = ["completed", "failed", "cancelled", "rolled_back"]
AT_REST = [*OVER, "preview", "continued", "paused"]  # no activity is there to be disturbed
PHASES = [*OVER, *ROLLING_BACK, *UNDOING, *RUNNING]


@dataclass(frozen=True, slots=True)
class World:
    """The service whose activities can be held, its Temporal, and the expected import."""

    service: Service
    client: Client
    gates: Gates
    expected: Rows
    free: list[tuple[int, int]]  # ports where two receivers may be served
    creating: asyncio.Lock = field(default_factory=asyncio.Lock)  # one tenant at a time

    async def tenant(self) -> Tenant:
        async with self.creating:
            return await new_tenant(self.service)

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[tuple[int, int]]:
        """Two free ports for a trial's receivers; there is a pair for each trial at a time."""
        ports = self.free.pop()
        try:
            yield ports
        finally:
            self.free.append(ports)

    async def forget(self, tenant: Tenant) -> None:
        """Remove the tenant: a sweep visits all, so earlier trials would slow later ones."""
        for _ in range(5):
            with suppress(asyncpg.DeadlockDetectedError):  # a straggler is at its job's row
                await tenant.sql("delete from public.tenants where id = $1", tenant.id)
                return

    async def sweep(self, name: str) -> Reaped:
        """A sweep of the reaper without the usual period of grace."""
        input = ReapInput(grace_seconds=0)
        return await self.client.execute_workflow(
            ReaperWorkflow.run, input, id=f"reap/{name}", task_queue=ORCHESTRATE
        )


@dataclass(slots=True)
class Scene:
    """One job in one phase."""

    world: World
    tenant: Tenant
    phase: str
    held: "Held"
    job_id: str = ""
    answers: list[asyncio.Task[Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def operator(self) -> Operator:
        """Before the workflow that works on the job, or has worked last."""
        rolling = self.phase.startswith("roll")
        id = rollback_id(self.job_id) if rolling else migration_id(self.job_id)
        return Operator(self.world.client, id)

    @property
    def kind(self) -> str:
        return "Rollback" if self.phase.startswith("roll") else "Migration"

    @property
    def step(self) -> str:
        """The name of the step that is held, if any."""
        parts = self.phase.split("/")
        return parts[-2] if len(parts) > 1 else ""

    async def job(self) -> dict[str, Any]:
        return await self.tenant.job(self.job_id)

    async def reads(self, status: str) -> None:
        """Wait until the job's row says so."""
        await self.tenant.settled(self.job_id, status)

    def ask(self, verb: str, body: Any = None) -> None:
        """Ask the API, and see later what it answers."""
        path = f"/v1/migration/{self.job_id}/{verb}"
        method = "DELETE" if verb == "rollback" else "POST"
        sent = self.tenant.service.http.request(
            method, path, headers=self.tenant.headers, json=body or {}
        )
        self.answers.append(asyncio.create_task(sent))

    def hold(self, step: str, moment: Moment) -> Gate:
        return self.world.gates.hold(self.tenant.id, step, moment)


class Held:
    """A batch whose lock is held, as if another worker was importing it."""

    def __init__(self, connection: "asyncpg.Connection[Any]", tenant: Tenant) -> None:
        self._connection, self._table = connection, f"{tenant.id.schema}.import_chunks"
        self._transaction: Any = None

    async def take(self, job_id: str) -> None:
        self._transaction = self._connection.transaction()
        await self._transaction.start()
        taken = f"insert into {self._table} (job_id, chunk) values ($1, $2)"
        await self._connection.execute(taken, job_id, MIDDLE)

    async def give(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            await transaction.rollback()


@asynccontextmanager
async def scene(world: World, phase: str) -> AsyncIterator[Scene]:
    """A job of a new tenant that is in the phase."""
    tenant = await world.tenant()
    connection = await asyncpg.connect(world.service.dsn)
    made = Scene(world, tenant, phase, Held(connection, tenant))
    try:
        await _enter(made)
        yield made
    finally:
        world.gates.open(tenant.id)
        for each in made.answers:
            each.cancel()
        await connection.close()
        await world.forget(tenant)


async def _enter(made: Scene) -> None:
    match made.phase.split("/"):
        case [step, moment] if step in FORWARD[:3]:
            gate = made.hold(step, moment)  # type: ignore[arg-type]
            await _upload(made, wait=0)
            await gate.reached()
        case [step, moment]:
            gate = made.hold(step, moment)  # type: ignore[arg-type]
            await _upload(made)
            made.ask("execute", {"batchSize": BATCH})
            await gate.reached()
        case ["cancel", step, moment]:
            await _paused(made)
            gate = made.hold(step, moment)  # type: ignore[arg-type]
            made.ask("cancel")
            await gate.reached()
        case ["rollback", step, moment]:
            await _completed(made)
            gate = made.hold(step, moment)  # type: ignore[arg-type]
            made.ask("rollback")
            await gate.reached()
        case [state]:
            await _STATES[state](made)


async def _upload(made: Scene, wait: int = 60) -> None:
    response = await made.tenant.upload(EXPORT, wait=wait)
    assert response.status_code in (201, 202), response.text
    made.job_id = response.json()["job"]["id"]


async def _continued(made: Scene) -> None:
    """Previewed so often that the workflow goes on as another run."""
    await _upload(made)

    async def has_newer_run() -> bool:
        await made.operator.tell("update", "preview", [0])
        first, newest = await made.operator.runs()
        return first != newest

    await until(has_newer_run)
    await made.operator.waits()


async def _middle(made: Scene) -> None:
    await _upload(made)
    await made.held.take(made.job_id)
    made.ask("execute", {"batchSize": BATCH})

    async def there() -> bool:
        await asyncio.sleep(0.05)
        return bool((await made.job())["processedRecords"] == MIDDLE * BATCH)

    await until(there)


async def _paused(made: Scene) -> None:
    await _middle(made)
    made.ask("pause")
    await made.reads("paused")
    await made.held.give()

    async def at_rest() -> bool:
        return not await made.operator.pending()

    await until(at_rest)


async def _completed(made: Scene) -> None:
    await _upload(made)
    await made.tenant.execute(made.job_id, batchSize=BATCH)


async def _failed(made: Scene) -> None:
    await made.tenant.sql("alter table incidents add constraint few check (source_row < 800)")
    await _completed(made)


async def _cancelled(made: Scene) -> None:
    await _paused(made)
    made.ask("cancel")
    await made.tenant.settled(made.job_id)


async def _rolled_back(made: Scene) -> None:
    await _completed(made)
    made.ask("rollback")

    async def rolled_back() -> bool:
        await asyncio.sleep(0.05)
        return bool((await made.job())["status"] == "rolled_back")

    await until(rolled_back)
    await made.operator.handle.result()


_STATES = {
    "preview": _upload,
    "continued": _continued,
    "middle": _middle,
    "paused": _paused,
    "completed": _completed,
    "failed": _failed,
    "cancelled": _cancelled,
    "rolled_back": _rolled_back,
}


async def settled(made: Scene) -> dict[str, Any]:
    """Release everything, act as the job's user would, and sweep, until the job is over and
    nobody works on it; the job as it is then."""
    made.world.gates.open(made.tenant.id)
    await made.held.give()
    try:
        async with asyncio.timeout(_WITHIN):
            while True:
                job = await made.job()
                over = job["status"] in ENDED and job["phase"] == "done"
                if over and not await _is_worked_on(made):
                    break
                await _as_user(made, job)
                await asyncio.sleep(0.3)
                await made.world.sweep(made.tenant.slug)
    except TimeoutError:
        made.problems.append("it does not end")
    await _judge_answers(made)
    return await made.job()


async def _is_worked_on(made: Scene) -> bool:
    if made.world.gates.running[made.tenant.id]:  # for a run that was terminated, perhaps
        return True
    for id in (migration_id(made.job_id), rollback_id(made.job_id)):
        with suppress(RPCError):
            if is_alive(await Operator(made.world.client, id).status()):
                return True
    return False


async def _as_user(made: Scene, job: dict[str, Any]) -> None:
    """Execute or resume the import as its user would."""
    with suppress(RPCError):
        if await made.operator.status() == PAUSED:
            await made.operator.unpause()
    verb = {"preview": "execute", "paused": "resume"}.get(job["status"])
    if verb and job["phase"] in ("awaiting_execute", "importing"):
        made.ask(verb, {"batchSize": BATCH} if verb == "execute" else None)
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.shield(made.answers[-1])


async def _judge_answers(made: Scene) -> None:
    """Every answer of the API comes in time and is 202, 409 or 503."""
    done, waiting = await asyncio.wait(made.answers, timeout=5) if made.answers else ([], [])
    codes = {each.result().status_code for each in done}
    if not codes <= {202, 409, 503}:
        made.problems.append(f"the API answered {sorted(codes)}")
    if waiting:
        made.problems.append(f"the API does not answer {len(waiting)} requests")


async def judged(made: Scene, job: dict[str, Any], ends: set[str]) -> list[str]:
    """The list of errors: lost or doubled rows, or a job's row that is wrong."""
    found, status = await rows(made.tenant), job["status"]
    whole = made.world.expected if status == "completed" else Rows(0, 0, NOTHING)
    if found != whole:
        made.problems.append(f"{status}, but {found.rows} rows of {found.ids} ids")
    if status not in ends:
        made.problems.append(f"it ends {status} ({(job['failure'] or {}).get('code')})")
    if job["report"].get("outcome") != status:
        made.problems.append(f"{status}, but its report says {job['report'].get('outcome')}")
    said = job["processedRecords"], job["successfulRecords"]
    if said != ((ROWS, ROWS) if status == "completed" else (0, 0)):
        made.problems.append(f"{status}, but it says {said} records")
    if made.tenant.stored_files():
        made.problems.append("files are left")
    return made.problems


NOTHING = "d41d8cd98f00b204e9800998ecf8427e"  # md5 of the empty text, which is that of no rows
