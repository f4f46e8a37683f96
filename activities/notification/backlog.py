"""What a request still has open with an integration, and when to look at it again."""

import random
from dataclasses import dataclass
from uuid import UUID

from activities.integration.target import Target
from domain.tenant import TenantId
from storage.notification import deliveries as delivery
from storage.notification.claims import reclaim
from storage.postgres.statement import Row, Statements
from workflows.notification import messages as m


@dataclass(frozen=True, slots=True)
class Share:
    """One integration's part of a request: what a round is about."""

    tenant_id: TenantId
    request_id: UUID
    integration_id: UUID


async def later(sql: Statements, share: Share, target: Target, full: float | None) -> m.Lane:
    """Nothing could be claimed: end what is overdue or lost, then say when to come back.

    `full` are the seconds after which there may be room at the gates, if there is none now.
    """
    lane = await look(sql, share)
    if lane.wait != 0:
        return lane
    await delivery.expire(sql, share.request_id, share.integration_id)
    await reclaim(sql, share.integration_id)
    lane = await look(sql, share)
    if lane.wait != 0:
        return lane
    if full is not None:
        return lane.model_copy(update={"wait": full * random.uniform(0.5, 1.5)})  # noqa: S311
    places = share.request_id, share.integration_id
    stateful = target.channel.limits.stateful
    wait = await delivery.turn(sql, places, target.interval, stateful=stateful)
    return lane.model_copy(update={"wait": wait})


async def look(sql: Statements, share: Share) -> m.Lane:
    found = await delivery.lanes(sql, share.request_id, share.integration_id)
    if not found:
        return m.Lane(integration_id=str(share.integration_id), open=0)
    return lane_of(found[0])


def lane_of(row: Row) -> m.Lane:
    """What waits to be routed has no time; its workflow is woken to do so."""
    wait = None if row["wait"] is None else max(row["wait"], 0.0)
    return m.Lane(
        integration_id=str(row["integration_id"]), type=row["type"], open=row["open"], wait=wait
    )


async def stand_still(sql: Statements, share: Share, integration: Row | None) -> m.Lane:
    """An integration that is switched off keeps its deliveries until they expire; one that was
    deleted does not."""
    await reclaim(sql, share.integration_id)
    if integration is None:
        await delivery.cancel_orphaned(sql, share.integration_id)
    else:
        await delivery.expire(sql, share.request_id, share.integration_id)
    lane = await look(sql, share)
    # What is due waits to be woken; beside it, a send may be lost and a life may end.
    wait = await delivery.next_change(sql, (share.request_id, share.integration_id))
    return lane.model_copy(update={"wait": wait})
