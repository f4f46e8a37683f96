"""The worker process: connects to all servers, then runs activities and workflows until SIGTERM.

It serves three task queues: `orchestrate` for the workflows of jobs and for short steps, `import`
for long steps, so that a pause never waits behind a parse, and `deliver` for the workflows of
notifications and connection tests, and for steps that mostly wait for a vendor's server.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import chain
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from activities.connections import Connections
from activities.errors import TranslateErrors
from activities.heartbeat import Heartbeat
from activities.integration.connection_check import CheckActivities
from activities.memory import Memory, available, divided, memory_alone
from activities.migration.alone import AloneOrder, confine_alone, serve
from activities.migration.closing import CloseActivities
from activities.migration.crash_count import CountStarts
from activities.migration.importing import ImportActivities
from activities.migration.parsing import ParseActivities
from activities.migration.validating import ValidateActivities
from activities.notification.delivering import DeliverActivities
from activities.notification.outbox import keep_starting
from activities.notification.routing import RouteActivities
from activities.reaping import ReapActivities
from collector import spare_loaded
from egress.client import egress
from egress.log_levels import quieten
from egress.route import Route
from settings import Settings, settings
from sources.sandbox.parent import remove_abandoned
from storage.objects.store_factory import object_store
from storage.postgres.database import Database
from storage.secrets.key_check import open_vault
from workflows.all_steps import STEPS
from workflows.connection import connect
from workflows.integration import steps as integration
from workflows.integration.connection_check import IntegrationTestWorkflow
from workflows.migration import steps as migration
from workflows.migration.rollback import RollbackWorkflow
from workflows.migration.workflow import MigrationWorkflow
from workflows.notification import steps as notification
from workflows.notification.workflow import NotificationWorkflow
from workflows.reaper import ReaperWorkflow
from workflows.schedule import ensure_schedule
from workflows.step import DELIVER, IMPORT, ORCHESTRATE, Step
from workflows.sweep import reap

# A notification's workflow shares the queue of its activities, so that Temporal can give its first
# activity to the same worker, together with the workflow's task.
_OF_QUEUE: dict[str, tuple[type, ...]] = {
    ORCHESTRATE: (MigrationWorkflow, RollbackWorkflow, ReaperWorkflow),
    DELIVER: (NotificationWorkflow, IntegrationTestWorkflow),
}
WORKFLOWS = tuple(chain.from_iterable(_OF_QUEUE.values()))
# A stopping worker begins no send, and a send over HTTP ends within 15 s (egress/client.py).
_GRACE = timedelta(seconds=20)


def activities(connections: Connections, settings: Settings) -> dict[str, Callable[..., Any]]:
    """Every activity by the name of its step."""
    deliver = DeliverActivities(connections)
    route = RouteActivities(connections, deliver)
    parse = ParseActivities(connections, settings)
    validate = ValidateActivities(connections)
    load = ImportActivities(connections)
    close = CloseActivities(connections)
    check = CheckActivities(connections)
    served: tuple[tuple[Step[Any, Any], Callable[..., Any]], ...] = (
        (migration.inspect_upload, parse.inspect_upload),
        (migration.parse_upload, parse.parse_upload),
        (migration.validate_records, validate.validate_records),
        (migration.begin_import, load.begin_import),
        (migration.import_segment, load.import_segment),
        (migration.set_state, close.set_state),
        (migration.recall_job, close.recall_job),
        (migration.undo_import, close.undo_import),
        (migration.clean_up, close.clean_up),
        (migration.close_job, close.close_job),
        (notification.open_request, route.open_request),
        (notification.deliver, deliver.deliver),
        (integration.test_integration, check.test_integration),
        (reap, ReapActivities(connections, settings).reap),
    )
    return {step.name: implementation for step, implementation in served}


def workers(client: Client, connections: Connections, settings: Settings) -> list[Worker]:
    """The workers of this process, one per task queue."""
    mine = activities(connections, settings)
    slots = {ORCHESTRATE: 20, IMPORT: settings.import_slots, DELIVER: settings.deliver_slots}
    return [
        Worker(
            client,
            task_queue=queue,
            workflows=_OF_QUEUE.get(queue, ()),
            activities=[mine[step.name] for step in STEPS if step.queue == queue],
            interceptors=[Heartbeat(), TranslateErrors(), CountStarts(connections)],
            max_concurrent_activities=slots[queue],
            # Workflows of a dead worker move to another one after 2 s; the SDK's default is 10 s.
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
            max_heartbeat_throttle_interval=timedelta(seconds=1),
            graceful_shutdown_timeout=_GRACE,
            identity=f"worker@{os.getpid()}",
        )
        for queue in slots
    ]


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[tuple[Client, Connections]]:
    """Connect to all servers that a worker needs. Raises if one is not configured or reachable."""
    memory = divided(settings.worker_memory_bytes or available(), settings.parse_memory_bytes)
    async with connections(settings, memory) as found:
        client = await connect(
            settings.temporal_address, settings.temporal_namespace, settings.payload_keyring
        )
        yield client, found


@asynccontextmanager
async def connections(settings: Settings, memory: Memory) -> AsyncIterator[Connections]:
    """Connect to the servers that activities need, with `memory` for their work."""
    database = Database(settings.database_dsn, settings.database_pool_size)
    try:
        vault = await open_vault(database, settings.secrets_keyring_file)
        async with (
            object_store(settings) as store,
            egress(
                settings.egress_allow, settings.own_servers, Route.parse(*settings.egress_route)
            ) as out,
        ):
            yield Connections(database, store, vault, out, settings.public_url, memory)
    finally:
        await database.close()


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish or hand back what is running."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with connected(settings) as (client, connections):
        await asyncio.to_thread(remove_abandoned)
        await ensure_schedule(client)
        running = workers(client, connections, settings)
        tasks = [asyncio.create_task(worker.run()) for worker in running]
        starting = asyncio.create_task(keep_starting(client, connections.database))
        await asyncio.wait(
            [asyncio.create_task(stop.wait()), *tasks], return_when=asyncio.FIRST_COMPLETED
        )
        starting.cancel()
        await asyncio.gather(*(worker.shutdown() for worker in running))
        await asyncio.gather(*tasks)


async def run_ordered(order: AloneOrder, settings: Settings) -> None:
    """Run one activity in this process, which a worker started for it."""
    async with connections(settings, memory_alone(order.memory_bytes)) as found:
        await serve(order, activities(found, settings))


def main() -> None:
    """`python -m worker`. A worker starts it with `--alone ORDER` for work in a separate process
    (activities/migration/alone.py)."""
    order = AloneOrder.model_validate_json(sys.argv[2]) if "--alone" in sys.argv[1:2] else None
    if order is not None:
        confine_alone(order)
    chosen = settings()
    logging.basicConfig(
        level=chosen.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    quieten()
    if order is None:  # in a separate process with a limit, memory is scarcer than time
        spare_loaded()
    code = 0
    try:
        asyncio.run(run(chosen) if order is None else run_ordered(order, chosen))
    except Exception:
        logging.exception("the worker failed")
        code = 1
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # Temporal's core may abort in Python's own exit (temporalio/sdk-python#300)


if __name__ == "__main__":
    main()
