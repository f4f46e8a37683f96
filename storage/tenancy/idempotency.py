"""Idempotency keys: a request that creates something takes effect once, and is answered again.

What is stored is the answer as it may be shown again: secrets are left out by the caller.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.json_document import Json
from storage.tenancy.tables import idempotency_keys as keys

_LEASE = "1 minute"  # after which a request that neither ended nor prolonged is taken to have died
_KEPT = "24 hours"


@dataclass(frozen=True, slots=True)
class Answered:
    """An earlier request with this key: what it asked (a hash) and how it was answered."""

    request_hash: str
    status: int
    response: Json


class InFlight(Exception):
    """A request with the same key is being worked on right now."""


async def reserve(
    connection: AsyncConnection, tenant_id: str, key: str, holder: str
) -> Answered | None:
    """Take the key for this request; the earlier answer if there is one. Raises InFlight.

    `holder` names the request, and stands in the place of its hash until it is answered: who was
    taken to have died, and comes back, settles nothing.
    """
    stale = text(
        f"(status is null and created_at < now() - interval '{_LEASE}')"
        f" or created_at < now() - interval '{_KEPT}'"
    )
    await connection.execute(
        delete(keys).where(keys.c.tenant_id == tenant_id, keys.c.key == key, stale)
    )
    # The lock is for a key that is taken and not yet committed: the insert would wait for that.
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
    """The request still lives."""
    await connection.execute(
        update(keys).where(*_held(tenant_id, key, holder)).values(created_at=func.now())
    )


async def settle(
    connection: AsyncConnection, tenant_id: str, key: str, holder: str, answered: Answered
) -> None:
    """Keep the answer for the next request with this key. Raises InFlight if another has it, or
    has answered by now: who asks again asks the same, so a hash would not tell the two apart."""
    await _keep(connection, answered, _held(tenant_id, key, holder))


async def settle_again(
    connection: AsyncConnection, tenant_id: str, key: str, answered: Answered
) -> None:
    """Keep a fuller answer in place of the one that this request has given already.

    Raises InFlight if that is gone.
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
    """The request failed: the key may be used again."""
    await connection.execute(delete(keys).where(*_held(tenant_id, key, holder)))


def _held(tenant_id: str, key: str, holder: str) -> tuple[ColumnElement[bool], ...]:
    c = keys.c
    return c.tenant_id == tenant_id, c.key == key, c.request_hash == holder, c.status.is_(None)


async def forget(connection: AsyncConnection, tenant_id: str, key: str) -> None:
    """What was answered came to nothing: the key may be used again."""
    await connection.execute(delete(keys).where(keys.c.tenant_id == tenant_id, keys.c.key == key))
