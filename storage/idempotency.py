"""Idempotency keys: a request that creates something takes effect once, and is answered again.

What is stored is the answer as it may be shown again: secrets are left out by the caller.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import idempotency_keys as keys

_LEASE = "15 minutes"  # after which a request that never ended is taken to have died
_KEPT = "24 hours"


@dataclass(frozen=True, slots=True)
class Answered:
    """An earlier request with this key: what it asked (a hash) and how it was answered."""

    request_hash: str
    status: int
    response: dict[str, Any]


class InFlight(Exception):
    """A request with the same key is being worked on right now."""


@dataclass(frozen=True, slots=True)
class Held:
    """A request's hold on a key; after the lease another request may have it."""

    tenant_id: str
    key: str
    since: datetime


async def reserve(connection: AsyncConnection, tenant_id: str, key: str) -> Answered | Held:
    """Take the key for this request, or get the earlier answer. Raises InFlight."""
    stale = text(
        f"(status is null and created_at < now() - interval '{_LEASE}')"
        f" or created_at < now() - interval '{_KEPT}'"
    )
    await connection.execute(
        delete(keys).where(keys.c.tenant_id == tenant_id, keys.c.key == key, stale)
    )
    # The lock is for a key that is taken and not yet committed: the insert would wait for that.
    lock = func.pg_try_advisory_xact_lock(func.hashtextextended(f"{tenant_id} {key}", 0))
    free = select(literal(tenant_id), literal(key)).where(lock)
    taken = await connection.execute(
        insert(keys)
        .from_select([keys.c.tenant_id, keys.c.key], free)
        .on_conflict_do_nothing()
        .returning(keys.c.created_at)
    )
    since = taken.scalar_one_or_none()
    if since is not None:
        return Held(tenant_id, key, since)
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


async def settle(connection: AsyncConnection, held: Held, answered: Answered) -> None:
    """Keep the answer for the next request with this key.

    Raises InFlight if the key is no longer this request's: what it does must not take effect, as
    the other request with the key does it.
    """
    kept = await connection.execute(
        update(keys)
        .where(*_of(held))
        .values(
            request_hash=answered.request_hash,
            status=answered.status,
            response=answered.response,
        )
        .returning(keys.c.key)
    )
    if kept.one_or_none() is None:
        raise InFlight(held.key)


async def release(connection: AsyncConnection, held: Held) -> None:
    """The request failed: the key may be used again."""
    await connection.execute(delete(keys).where(*_of(held), keys.c.status.is_(None)))


async def forget(connection: AsyncConnection, held: Held) -> None:
    """What was answered came to nothing: the key may be used again."""
    await connection.execute(delete(keys).where(*_of(held)))


def _of(held: Held) -> tuple[ColumnElement[bool], ...]:
    return (
        keys.c.tenant_id == held.tenant_id,
        keys.c.key == held.key,
        keys.c.created_at == held.since,
    )
