"""`Idempotency-Key`: the same request twice has one effect and the same answer."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from api.errors import ApiError
from domain.tenant import TenantId
from storage import idempotency
from storage.database import Database
from storage.idempotency import Answered, Held

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=255, min_length=1)
]


def request_hash(fields: Any, content: str = "") -> str:
    """The hash of a request's canonical fields and of its file, whatever the transport did."""
    return hashlib.sha256(f"{_canonical(fields)}\n{content}".encode()).hexdigest()


async def secret_request_hash(fields: Any, key: str | None) -> str:
    """As `request_hash`, of fields that hold secrets: it is kept, and a fast one would let who
    reads it try passwords. Without an idempotency key nothing is kept, and it is empty."""
    if key is None:
        return ""
    salted = partial(hashlib.scrypt, salt=key.encode(), n=2**14, r=8, p=1, dklen=32)
    return (await asyncio.to_thread(salted, _canonical(fields).encode())).hex()


def _canonical(fields: Any) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), default=str)


def _in_flight() -> ApiError:
    detail = "a request with this Idempotency-Key is still being worked on"
    return ApiError(409, "idempotency_in_flight", detail)


class Once:
    """One request's hold on its key. `replay` first, `settle` in the transaction that creates.

    The keys of the platform, which belongs to no tenant, have no owner.
    """

    def __init__(self, database: Database, owner: TenantId | None, key: str | None) -> None:
        self._database, self._owner, self._key = database, owner, key
        self.earlier: Answered | None = None
        self._held: Held | None = None

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction of the key's owner."""
        if self._owner is None:
            return self._database.anonymous()
        return self._database.tenant(self._owner)

    async def reserve(self, connection: AsyncConnection) -> None:
        """Take the key, or learn what was answered. Raises ApiError 409 if another has it."""
        if self._key is None:
            return
        try:
            taken = await idempotency.reserve(connection, self._owner or "", self._key)
        except idempotency.InFlight as error:
            raise _in_flight() from error
        if isinstance(taken, Held):
            self._held = taken
        else:
            self.earlier = taken

    def replay(self, hash: str) -> JSONResponse | None:
        """The earlier answer, if there is one. Raises ApiError 422 if that asked otherwise."""
        if self.earlier is None:
            return None
        if self.earlier.request_hash != hash:
            detail = "this Idempotency-Key was used for another request"
            raise ApiError(422, "idempotency_mismatch", detail)
        return JSONResponse(
            self.earlier.response, self.earlier.status, {"Idempotency-Replayed": "true"}
        )

    async def settle(
        self, connection: AsyncConnection, hash: str, status: int, response: dict[str, Any]
    ) -> None:
        """Keep the answer for the next request with this key; it must hold no secret.

        Raises ApiError 409 if this request took so long that another one has the key now.
        """
        if self._held is not None:
            try:
                answered = Answered(hash, status, response)
                await idempotency.settle(connection, self._held, answered)
            except idempotency.InFlight as error:
                raise _in_flight() from error

    async def release(self) -> None:
        """Give the key back, unless an answer is kept."""
        if self._held is not None:
            async with self.transaction() as connection:
                await idempotency.release(connection, self._held)

    async def forget(self) -> None:
        """Give the key back although an answer was kept: the request came to nothing."""
        if self._held is not None:
            async with self.transaction() as connection:
                await idempotency.forget(connection, self._held)


@asynccontextmanager
async def once(database: Database, owner: TenantId | None, key: str | None) -> AsyncIterator[Once]:
    """Hold the key for the length of a request; a request that fails gives it back.

    For requests of several transactions: if this process dies between them, the key is free again
    after the lease (storage/idempotency.py). Those of one have `once_within`.
    """
    hold = Once(database, owner, key)
    if key is not None:
        async with hold.transaction() as connection:
            await hold.reserve(connection)
    try:
        yield hold
    except BaseException:
        await hold.release()
        raise


@asynccontextmanager
async def once_within(
    database: Database, owner: TenantId, key: str | None
) -> AsyncIterator[tuple[Once, AsyncConnection]]:
    """The same for a request that is over with one transaction, which is given, too.

    It holds the key no longer than that, even if this process dies in it: who asks again at once
    has an answer at once.
    """
    hold = Once(database, owner, key)
    async with hold.transaction() as connection:
        await hold.reserve(connection)
        yield hold, connection
