"""Notifications that an operator disturbs: each arrives, and repetitions are allowed ones."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from activities.notification.outbox import start_waiting
from receivers.receiver import serving
from receivers.slack import SlackReceiver
from receivers.webhook import WebhookReceiver
from storage.notification import outbox
from storage.postgres.database import Database
from tests.api.notification.notifying import SECRET
from tests.faults.fanout import Client, Late, Vendors, judged, over, recorded
from tests.operating.gates import Moment
from tests.operating.imports import World
from tests.operating.operator import Operator
from tests.service import Tenant
from workflows.execution import is_alive
from workflows.notification.messages import NotificationInput, RequestRef
from workflows.notification.start import notification_id
from workflows.step import DELIVER

# So many are routed first and sent in rounds of their lanes; fewer are sent where they are routed.
MANY, FEW = 60, 4
PHASES = [f"{step}/{when}" for step in ("open_request", "deliver") for when in ("before", "after")]
PHASES += ["in flight", "over"]
ACTS = ["terminate", "cancel", "delete", "garbage", "wake twice", "pause", "start again"]
ACTS += ["start anew", "complete", "nonsense", "fail", "activity pause", "activity reset"]
TASKS = 6  # so many workflow tasks a request has that is reset, at most
_WITHIN = 120.0
_OVERDUE = (
    "update notification_deliveries set next_attempt_at = now() - '1 h'::interval"
    " where completed_at is null",
    "update delivery_rates set free_at = free_at - '1 h'::interval",
)


async def tried(world: World, phase: str, act: str, number: int | None = None) -> list[str]:
    """Send events and do the act when their request is in the phase; the errors afterwards.

    `number` is the workflow task to which "reset" goes.
    """
    tenant = await world.tenant()
    slack, webhook = LateSlack(), LateWebhook(SECRET)
    async with (
        world.receiving() as ports,
        serving(slack, ports[0]),
        serving(webhook, ports[1]),
    ):
        vendors = Vendors(slack, webhook)
        await vendors.connect(tenant)
        operator, client = await _entered(world, tenant, phase, (slack, webhook))
        await _do(world, tenant, operator, act, number)
        if phase == "in flight" and act == "cancel":
            await _until_told(operator)
        world.gates.open(tenant.id)
        for each in (slack, webhook):
            each.answering.set()
        ended = await _settled(world, tenant, operator)
        verdict = judged(client.accepted, vendors, await recorded(tenant))
        await world.forget(tenant)
    problems = [] if ended else ["it does not end"]
    return problems if verdict.is_good else [*problems, str(verdict)]


async def _entered(
    world: World, tenant: Tenant, phase: str, receivers: "tuple[Answering, ...]"
) -> tuple[Operator, Client]:
    client, step = Client(tenant), phase.partition("/")[0]
    moment: Moment = "after" if phase.endswith("after") else "before"
    gate = world.gates.hold(tenant.id, step, moment) if "/" in phase else None
    if phase == "in flight":
        for each in receivers:
            each.answering.clear()
    await client.notify(*range(MANY if step == "deliver" else FEW))
    [[request]] = await tenant.sql("select distinct request_id from notifications")
    operator = Operator(world.client, notification_id(request))
    if gate is not None:
        await gate.reached()
    elif phase == "over":
        await operator.handle.result()
    for each in receivers:
        if phase == "in flight":
            await each.asked.wait()
    return operator, client


async def _until_told(operator: Operator) -> None:
    """Wait until whoever sends knows of the cancellation: a heartbeat is answered with it. Not
    until the sends gave up: a vendor that is silent for so long may be told twice by anybody."""
    wanted = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    asked: datetime | None = None
    async with asyncio.timeout(_WITHIN):
        while found := await operator.pending():
            beats = [each.last_heartbeat_time.ToDatetime(UTC) for each in found]
            if asked is None and all(each.state == wanted for each in found):
                asked = max(beats)
            if asked is not None and min(beats) > asked:
                return
            await asyncio.sleep(0.1)


async def _do(
    world: World, tenant: Tenant, operator: Operator, act: str, number: int | None
) -> None:
    with suppress(RPCError, WorkflowAlreadyStartedError):
        match act:
            case "reset" if number is not None:
                points = await operator.reset_points()
                if number < len(points):
                    await operator.reset(points[number])
            case "terminate":
                await operator.terminate()
            case "cancel":
                await operator.cancel()
            case "delete":
                await operator.delete()
            case "garbage":
                for name in ("nothing", "wake", "execute"):
                    for arguments in ([], ["nonsense"], [{"request": None}]):
                        await operator.tell("signal", name, arguments)
            case "wake twice":
                await operator.tell("signal", "wake")
                await operator.tell("signal", "wake")
            case "pause":
                await operator.pause()
            case "start again" | "start anew":
                await _start(world, tenant, operator, anew=act == "start anew")
            case "complete":
                for each in await operator.pending():
                    await operator.each_pending("complete", _INVENTED[each.activity_type.name])
            case "nonsense":
                await operator.each_pending("complete", "nonsense")
            case "fail":
                await operator.each_pending("fail", {"no": "problem"})
            case "activity pause":
                await operator.each_pending("pause")
                world.gates.open(tenant.id)
                await operator.each_pending("unpause")
            case "activity reset":
                await operator.each_pending("reset")


async def _start(world: World, tenant: Tenant, operator: Operator, *, anew: bool) -> None:
    ref = RequestRef(tenant_id=tenant.id, request_id=operator.workflow_id.partition("/")[2])
    policy = WorkflowIDConflictPolicy
    await world.client.start_workflow(
        "Notification",
        NotificationInput(request=ref),
        id=operator.workflow_id,
        task_queue=DELIVER,
        id_conflict_policy=policy.TERMINATE_EXISTING if anew else policy.FAIL,
    )


class Answering(Late):
    """A vendor that acts on a request at once and answers when it may."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked, self.answering = asyncio.Event(), asyncio.Event()
        self.answering.set()

    async def waiting(self) -> None:
        self.asked.set()
        await self.answering.wait()


class LateSlack(Answering, SlackReceiver): ...


class LateWebhook(Answering, WebhookReceiver): ...


_INVENTED: dict[str, Any] = {
    "open_request": {"deliveries": 0, "lanes": []},
    "deliver": {"integration_id": "01a21b63-2c4c-7066-bb90-1b9a7368d28f", "open": 0},
}


async def _settled(world: World, tenant: Tenant, operator: Operator) -> bool:
    """Do what the outbox and the reaper do, time passed for what they wait for; whether nothing is
    to be done any more."""
    database = Database(world.service.dsn)
    try:
        async with asyncio.timeout(_WITHIN):
            while not await over(tenant, 1.0):
                with suppress(RPCError):
                    await operator.unpause()
                if not await _lives(operator):
                    waiting = await outbox.waiting(database, 0)
                    mine = [each for each in waiting if each.tenant_id == tenant.id]
                    await start_waiting(world.client, mine)
                    for statement in _OVERDUE:
                        await tenant.sql(statement)
                    await world.sweep(tenant.slug)
    except TimeoutError:
        return False
    finally:
        await database.close()
    return True


async def _lives(operator: Operator) -> bool:
    try:
        return is_alive(await operator.status())
    except RPCError:
        return False
