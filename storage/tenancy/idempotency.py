"""Idempotency keys: a request that creates something takes effect once, and its repetition gets the
same answer.

The caller leaves secrets out of the answers that it stores here.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.json_document import Json
from storage.tenancy.tables import idempotency_keys as keys

_LEASE = "1 minute"  # a request that neither ends nor prolongs for so long is taken to be dead
_KEPT = "24 hours"


@dataclass(frozen=True, slots=True)
class Answered:
    """An earlier request with this key: a hash of it, and the status and body of its answer."""

    request_hash: str
    status: int
    response: Json


class InFlight(Exception):
    """Another request with the same key is in progress, or has taken the key over."""


async def reserve(
    connection: AsyncConnection, tenant_id: str, key: str, holder: str
) -> Answered | None:
    """Take the key for this request; returns the earlier answer if there is one. Raises InFlight.

    `holder` is a name for the request, stored in place of its hash until it is answered. So a
    request that was taken to be dead, and comes back, cannot settle a key that another has taken.
    """
    stale = text(
        f"(status is null and created_at < now() - interval '{_LEASE}'"
        f" or created_at < now() - interval '{_KEPT}')"
    )
    await connection.execute(
        delete(keys).where(keys.c.tenant_id == tenant_id, keys.c.key == key, stale)
    )
    # Another transaction may have inserted the key and not committed yet: without the lock, this
    # insert would wait for that commit.
    lock = func.pg_try_advisory_xact_lock(func.hashtextextended(f"{tenant_id} {key}", 0))
    free = select(literal(tenant_id), literal(key), literal(holder)).where(lock)
    taken = await connection.execute(
        insert(keys)
        .from_select([keys.c.tenant_id, keys.c.key, keys.c.request_hash], free)
        .on_conflict_do_nothing()
        .returning(keys.c.key)
    )
    if taken.one_or_none() is not None:
        return None
    row = (
        await connection.execute(
            select(keys.c.request_hash, keys.c.status, keys.c.response).where(
                keys.c.tenant_id == tenant_id, keys.c.key == key
            )
        )
    ).one_or_none()
    if row is None or row.status is None:
        raise InFlight(key)
    return Answered(row.request_hash, row.status, row.response)


async def prolong(connection: AsyncConnection, tenant_id: str, key: str, holder: str) -> None:
    """Renew the request's lease on the key, as it is still in progress."""
    await connection.execute(
        update(keys).where(*_held(tenant_id, key, holder)).values(created_at=func.now())
    )


async def settle(
    connection: AsyncConnection, tenant_id: str, key: str, holder: str, answered: Answered
) -> None:
    """Store the answer for the next request with this key. Raises InFlight if another request has
    taken the key over (recognised by `holder`: a repetition has the same hash)."""
    await _keep(connection, answered, _held(tenant_id, key, holder))


async def settle_again(
    connection: AsyncConnection, tenant_id: str, key: str, answered: Answered
) -> None:
    """Replace the stored answer of this request by a fuller one.

    Raises InFlight if no answer to the same request is stored any more.
    """
    c = keys.c
    mine = c.tenant_id == tenant_id, c.key == key, c.request_hash == answered.request_hash
    await _keep(connection, answered, (*mine, c.status.is_not(None)))


async def _keep(
    connection: AsyncConnection, answered: Answered, where: tuple[ColumnElement[bool], ...]
) -> None:
    kept = await connection.execute(
        update(keys)
        .where(*where)
        .values(
            request_hash=answered.request_hash,
            status=answered.status,
            response=answered.response,
        )
        .returning(keys.c.key)
    )
    if kept.one_or_none() is None:
        raise InFlight


async def release(connection: AsyncConnection, tenant_id: str, key: str, holder: str) -> None:
    """Free the key, since the request that holds it has failed."""
    await connection.execute(delete(keys).where(*_held(tenant_id, key, holder)))


def _held(tenant_id: str, key: str, holder: str) -> tuple[ColumnElement[bool], ...]:
    c = keys.c
    return c.tenant_id == tenant_id, c.key == key, c.request_hash == holder, c.status.is_(None)


async def forget(connection: AsyncConnection, tenant_id: str, key: str) -> None:
    """Free the key, whatever is stored for it, since what was answered came to nothing."""
    await connection.execute(delete(keys).where(keys.c.tenant_id == tenant_id, keys.c.key == key))


async def forget_old(connection: AsyncConnection, tenant_id: str) -> None:
    """Delete the tenant's keys that are no longer remembered."""
    old = text(f"created_at < now() - interval '{_KEPT}'")
    await connection.execute(delete(keys).where(keys.c.tenant_id == tenant_id, old))
