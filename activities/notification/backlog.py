"""What a request still has open with an integration, and when to look at it again."""

import random

from activities.integration.target import Target
from activities.notification.batch import LaneKey
from domain.integration.stored import SendingIntegration
from storage.notification import deliveries as delivery
from storage.notification.claims import reclaim
from storage.notification.rows import Lane
from storage.postgres.statement import Statements
from workflows.notification import messages as m


async def later(sql: Statements, key: LaneKey, target: Target, full: float | None) -> m.LaneState:
    """Nothing could be claimed: end what is overdue or lost, then say when to come back.

    `full` are the seconds after which there may be another send free, if none is now.
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
    places = key.request_id, key.integration_id
    stateful = target.channel.limits.stateful
    wait = await delivery.estimate_wait(sql, places, target.interval, stateful=stateful)
    return lane.model_copy(update={"wait": wait})


async def look(sql: Statements, key: LaneKey) -> m.LaneState:
    found = await delivery.lanes(sql, key.request_id, key.integration_id)
    if not found:
        return m.LaneState(integration_id=str(key.integration_id), open=0)
    return lane_of(found[0])


def lane_of(row: Lane) -> m.LaneState:
    """What waits to be routed has no time; its workflow is woken to do so."""
    wait = None if row["wait"] is None else max(row["wait"], 0.0)
    return m.LaneState(
        integration_id=str(row["integration_id"]), type=row["type"], open=row["open"], wait=wait
    )


async def stand_still(
    sql: Statements, key: LaneKey, integration: SendingIntegration | None
) -> m.LaneState:
    """An integration that is switched off keeps its deliveries until they expire; one that was
    deleted does not."""
    await reclaim(sql, key.integration_id)
    if integration is None:
        await delivery.cancel_orphaned(sql, key.integration_id)
    else:
        await delivery.expire(sql, key.request_id, key.integration_id)
    lane = await look(sql, key)
    # What is due waits to be woken; beside it, a send may be lost and a life may end.
    wait = await delivery.next_change(sql, (key.request_id, key.integration_id))
    return lane.model_copy(update={"wait": wait})
