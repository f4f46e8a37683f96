"""Waiting deliveries: what happens to them when their integration changes, works or is deleted.

Requests to be woken are written to the outbox, in the transaction that gives the reason; a worker
signals their workflows within seconds, whatever crashes meanwhile.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notification.delivery import DeliveryStatus, Reason
from storage.notification import destinations as destination
from storage.notification import outbox
from storage.notification.tables import alerts
from storage.notification.tables import notification_deliveries as deliveries
from storage.postgres.database import statements

_c = deliveries.c


async def note_wakes(connection: AsyncConnection, requests: Collection[UUID]) -> None:
    """Have the workflows of these requests woken after the commit, to look at their deliveries."""
    await outbox.note_wakes(await statements(connection), requests)


async def wake(connection: AsyncConnection, integration_id: UUID) -> set[UUID]:
    """The integration was changed, or a test of it succeeded: all that waits for it is tried now.
    Returns the requests that have anything open with it; they will be woken."""
    waits = (_c.completed_at.is_(None), _c.status != DeliveryStatus.SENDING)
    await connection.execute(
        update(deliveries)
        .where(_c.integration_id == integration_id, *waits, _c.next_attempt_at > func.now())
        .values(next_attempt_at=func.now(), updated_at=func.now())
    )
    await destination.forget(await statements(connection), integration_id)
    found = await requests(connection, integration_id)
    await note_wakes(connection, found)
    return found


async def requests(connection: AsyncConnection, integration_id: UUID) -> set[UUID]:
    """The requests that have anything open with the integration."""
    rows = await connection.execute(
        select(_c.request_id).where(_c.integration_id == integration_id, _c.completed_at.is_(None))
    )
    return set(rows.scalars())


async def cancel(connection: AsyncConnection, integration_id: UUID, why: str) -> set[UUID]:
    """Cancel the open deliveries of an integration that is being deleted, for the reason `why`, and
    forget what they have made at its vendor. Returns the requests that will be woken."""
    await connection.execute(delete(alerts).where(alerts.c.integration_id == integration_id))
    rows = await connection.execute(
        update(deliveries)
        .where(_c.integration_id == integration_id, _c.completed_at.is_(None))
        .values(
            status=DeliveryStatus.CANCELLED,
            last_error=why,
            reason=Reason.INTEGRATION_DELETED,
            completed_at=func.now(),
            updated_at=func.now(),
        )
        .returning(_c.request_id)
    )
    found = set(rows.scalars())
    await note_wakes(connection, found)
    return found
