"""How many deliveries a request still has open at an integration, and when to look again."""

import random

from activities.integration.target import Target
from activities.notification.batch import LaneKey
from domain.integration.stored import SendingIntegration
from storage.notification import deliveries as delivery
from storage.notification.leases import reclaim
from storage.notification.rows import Lane
from storage.postgres.statement import Statements
from workflows.notification import messages as m


async def later(sql: Statements, key: LaneKey, target: Target, full: float | None) -> m.LaneState:
    """The lane's state when nothing could be claimed: expire overdue deliveries, take back those of
    workers that died, then estimate when to come back.

    `full`: seconds until the limiter may allow another send; None if it allows one now.
    """
    lane = await look(sql, key)
    if lane.wait != 0:
        return lane
    await delivery.expire(sql, key.request_id, key.integration_id)
    await reclaim(sql, key.integration_id)
    lane = await look(sql, key)
    if lane.wait != 0:
        return lane
    if full is not None:
        return lane.model_copy(update={"wait": full * random.uniform(0.5, 1.5)})  # noqa: S311
    lane_id = key.request_id, key.integration_id
    stateful = target.channel.limits.stateful
    wait = await delivery.estimate_wait(sql, lane_id, target.interval, stateful=stateful)
    return lane.model_copy(update={"wait": wait})


async def look(sql: Statements, key: LaneKey) -> m.LaneState:
    """The lane's state as the database has it."""
    found = await delivery.lanes(sql, key.request_id, key.integration_id)
    if not found:
        return m.LaneState(integration_id=str(key.integration_id), open=0)
    return lane_of(found[0])


def lane_of(row: Lane) -> m.LaneState:
    """A lane's row as a message. Deliveries that wait to be routed again have no time (`wait` is
    None): their workflow is woken to route them."""
    wait = None if row["wait"] is None else max(row["wait"], 0.0)
    return m.LaneState(
        integration_id=str(row["integration_id"]), type=row["type"], open=row["open"], wait=wait
    )


async def stand_still(
    sql: Statements, key: LaneKey, integration: SendingIntegration | None
) -> m.LaneState:
    """The lane of an integration that sends nothing. One that is switched off keeps its deliveries
    until they expire; those of a deleted one are cancelled."""
    await reclaim(sql, key.integration_id)
    if integration is None:
        await delivery.cancel_orphaned(sql, key.integration_id)
    else:
        await delivery.expire(sql, key.request_id, key.integration_id)
    lane = await look(sql, key)
    # Due deliveries wait to be woken, but a lease or a deadline may end before that.
    wait = await delivery.next_change(sql, (key.request_id, key.integration_id))
    return lane.model_copy(update={"wait": wait})
