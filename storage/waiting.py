"""Deliveries that wait for their integration: what a change or the end of it does to them."""

from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.delivery import DeliveryStatus, FailureClass
from storage.notification_tables import notification_deliveries as deliveries

_c = deliveries.c


async def retry_misconfigured(connection: AsyncConnection, integration_id: UUID) -> set[UUID]:
    """Make due what waited for the integration to change; the requests that have to be woken."""
    parked = (_c.completed_at.is_(None), _c.last_class == FailureClass.MISCONFIGURED)
    rows = await connection.execute(
        update(deliveries)
        .where(_c.integration_id == integration_id, *parked)
        .values(next_attempt_at=func.now(), updated_at=func.now())
        .returning(_c.request_id)
    )
    return set(rows.scalars())


async def requests(connection: AsyncConnection, integration_id: UUID) -> set[UUID]:
    """The requests that have anything open with the integration."""
    rows = await connection.execute(
        select(_c.request_id).where(_c.integration_id == integration_id, _c.completed_at.is_(None))
    )
    return set(rows.scalars())


async def cancel(connection: AsyncConnection, integration_id: UUID, why: str) -> set[UUID]:
    """Cancel what is not over; the requests that have to be woken."""
    rows = await connection.execute(
        update(deliveries)
        .where(_c.integration_id == integration_id, _c.completed_at.is_(None))
        .values(
            status=DeliveryStatus.CANCELLED,
            last_error=why,
            completed_at=func.now(),
            updated_at=func.now(),
        )
        .returning(_c.request_id)
    )
    return set(rows.scalars())
