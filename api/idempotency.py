"""`Idempotency-Key`: the same request twice has one effect and the same answer."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Header
from fastapi.responses import JSONResponse
from pydantic_core import to_jsonable_python
from sqlalchemy.ext.asyncio import AsyncConnection

from api.errors import ApiError
from domain.json_document import Json
from domain.tenant import TenantId
from storage.postgres.database import FAILURES, Database
from storage.tenancy import idempotency
from storage.tenancy.idempotency import Answered

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=255, min_length=1)
]

_PROLONG_SECONDS = 10.0


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


@contextmanager
def _in_flight() -> Iterator[None]:
    try:
        yield
    except idempotency.InFlight as error:
        detail = "a request with this Idempotency-Key is still being worked on"
        raise ApiError("idempotency_in_flight", detail) from error


class IdempotentRequest:
    """A request that may come twice, under one key. `replay` first, `settle` in the transaction
    that creates. Without a key it is a request like any other.

    The keys of the platform, which belongs to no tenant, have no owner.
    """

    def __init__(self, database: Database, owner: TenantId | None, key: str | None) -> None:
        self._database, self._owner, self._key = database, owner, key
        self._holder = str(uuid4())
        self.earlier: Answered | None = None

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction of the key's owner; of the platform's, one that may make tenants."""
        if self._owner is None:
            return self._database.owner()
        return self._database.tenant(self._owner)

    async def reserve(self, connection: AsyncConnection) -> None:
        """Take the key, or learn what was answered. Raises ApiError 409 if another has it."""
        if self._key is None:
            return
        with _in_flight():
            self.earlier = await idempotency.reserve(
                connection, self._owner or "", self._key, self._holder
            )

    def replay(self, hash: str) -> JSONResponse | None:
        """The earlier answer, if there is one. Raises ApiError 422 if that asked otherwise."""
        if self.earlier is None:
            return None
        if self.earlier.request_hash != hash:
            detail = "this Idempotency-Key was used for another request"
            raise ApiError("idempotency_mismatch", detail)
        return JSONResponse(
            self.earlier.response, self.earlier.status, {"Idempotency-Replayed": "true"}
        )

    async def settle(
        self, connection: AsyncConnection, hash: str, status: int, response: Json
    ) -> None:
        """Keep the answer for the next request with this key; it must hold no secret.

        Raises ApiError 409 if another request has the key by now.
        """
        if self._key is not None:
            answered = Answered(hash, status, response)
            with _in_flight():
                await idempotency.settle(
                    connection, self._owner or "", self._key, self._holder, answered
                )

    async def settle_again(
        self, connection: AsyncConnection, hash: str, status: int, response: Json
    ) -> None:
        """The same with a fuller answer, by the request that has settled."""
        if self._key is not None:
            answered = Answered(hash, status, response)
            with _in_flight():
                await idempotency.settle_again(connection, self._owner or "", self._key, answered)

    @asynccontextmanager
    async def reserved(self) -> AsyncIterator[None]:
        """Keep the key for the length of the request; one that fails gives it back.

        For requests of several transactions: if this process dies between them, the key is free
        again after the lease (storage/tenancy/idempotency.py), which is prolonged while it lives.
        Those of one transaction have `create_once`.
        """
        if self._key is not None:
            async with self.transaction() as connection:
                await self.reserve(connection)
        prolonging = asyncio.create_task(self.prolong())
        try:
            yield
        except BaseException:
            if self.earlier is None:
                await self.release()
            raise
        finally:
            prolonging.cancel()

    async def prolong(self) -> None:
        """Hold the key, again and again, until this is cancelled."""
        while self._key is not None:
            await asyncio.sleep(_PROLONG_SECONDS)
            with suppress(*FAILURES):
                async with self.transaction() as connection:
                    owner = self._owner or ""
                    await idempotency.prolong(connection, owner, self._key, self._holder)

    async def release(self) -> None:
        """Give the key back, unless an answer is kept."""
        if self._key is not None:
            async with self.transaction() as connection:
                await idempotency.release(connection, self._owner or "", self._key, self._holder)

    async def forget(self) -> None:
        """Give the key back although an answer was kept: the request came to nothing."""
        if self._key is not None:
            async with self.transaction() as connection:
                await idempotency.forget(connection, self._owner or "", self._key)


@dataclass(frozen=True, slots=True)
class Created:
    """What a request has made. `answer` is kept for the next request with this key, so it holds no
    secret; `shown_once` is added to the first answer only; `then` follows the commit."""

    answer: Json
    shown_once: Mapping[str, Any] = field(default_factory=dict)
    then: Callable[[], Awaitable[None]] | None = None


async def create_once(
    request: IdempotentRequest,
    hash: str,
    create: Callable[[AsyncConnection], Awaitable[Created]],
    status: int = 201,
) -> JSONResponse:
    """Do in one transaction what a request asks for; of one that was done already, give the answer
    again. `hash` says what it asks for.

    The key is held no longer than the transaction, even if this process dies in it: whoever asks
    again at once has an answer at once.
    """
    async with request.transaction() as connection:
        await request.reserve(connection)
        earlier = request.replay(hash)
        if earlier is not None:
            return earlier
        created = await create(connection)
        answer = to_jsonable_python(created.answer)
        await request.settle(connection, hash, status, answer)
    if created.then is not None:
        await created.then()
    return JSONResponse({**answer, **created.shown_once}, status)
