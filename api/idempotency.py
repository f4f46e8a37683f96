"""`Idempotency-Key`: a request that is repeated with the same key has one effect and one answer."""

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
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        min_length=1,
        description="A repeated request with the same key only gets the first answer again.",
    ),
]

_PROLONG_SECONDS = 10.0  # well below the lease in storage/tenancy/idempotency.py


def request_hash(fields: Any, content: str = "") -> str:
    """The hash of a request's fields and the hash of its file; equal for equal requests, whatever
    their order, white space or encoding in transport."""
    return hashlib.sha256(f"{_canonical(fields)}\n{content}".encode()).hexdigest()


async def secret_request_hash(fields: Any, key: str | None) -> str:
    """As `request_hash`, for fields that hold secrets. The hash is stored, and a fast one would let
    anybody who reads it guess the secrets. Empty without an idempotency key: nothing is stored."""
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
    """A request that may be repeated under one key. Without a key it is a request like any other.

    `reserve` the key first, or hold it with `reserved`; answer with what `replay` returns, if that
    is something; else `settle` in the transaction that has the effect. `create_once` does all this.

    `owner` is the tenant whose key it is; None for requests with the platform's admin key.
    """

    def __init__(self, database: Database, owner: TenantId | None, key: str | None) -> None:
        self._database, self._owner, self._key = database, owner, key
        self._holder = str(uuid4())
        self.earlier: Answered | None = None

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction of the tenant; without a tenant, one that may create tenants."""
        if self._owner is None:
            return self._database.owner()
        return self._database.tenant(self._owner)

    async def reserve(self, connection: AsyncConnection) -> None:
        """Take the key, or load the earlier answer. Raises ApiError 409 while another request with
        the key is running."""
        if self._key is None:
            return
        with _in_flight():
            self.earlier = await idempotency.reserve(
                connection, self._owner or "", self._key, self._holder
            )

    def replay(self, hash: str) -> JSONResponse | None:
        """The earlier answer; None if there is none. Raises ApiError 422 if that request had
        another hash."""
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
        """Store the answer for repetitions with this key; it must hold no secret.

        Raises ApiError 409 if another request has taken the key meanwhile.
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
        """Replace the answer that this request has stored by a more complete one."""
        if self._key is not None:
            answered = Answered(hash, status, response)
            with _in_flight():
                await idempotency.settle_again(connection, self._owner or "", self._key, answered)

    @asynccontextmanager
    async def reserved(self) -> AsyncIterator[None]:
        """Hold the key while the request runs, and release it if the request fails.

        This is for requests of several transactions; those of one transaction use `create_once`. If
        the process dies between them, the key becomes free when its lease of a minute ends
        (storage/tenancy/idempotency.py); while the request runs, the lease is prolonged.
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
        """Prolong the lease of the key every ten seconds until this is cancelled."""
        while self._key is not None:
            await asyncio.sleep(_PROLONG_SECONDS)
            with suppress(*FAILURES):
                async with self.transaction() as connection:
                    owner = self._owner or ""
                    await idempotency.prolong(connection, owner, self._key, self._holder)

    async def release(self) -> None:
        """Release the key, unless an answer is stored for it."""
        if self._key is not None:
            async with self.transaction() as connection:
                await idempotency.release(connection, self._owner or "", self._key, self._holder)

    async def forget(self) -> None:
        """Release the key although an answer is stored, as the request had no effect in the end."""
        if self._key is not None:
            async with self.transaction() as connection:
                await idempotency.forget(connection, self._owner or "", self._key)


@dataclass(frozen=True, slots=True)
class Created:
    """The outcome of a request. `answer` is stored for repetitions, so it must hold no secret;
    `shown_once` is added to the first answer only; `then` runs after the commit."""

    answer: Json
    shown_once: Mapping[str, Any] = field(default_factory=dict)
    then: Callable[[], Awaitable[None]] | None = None


async def create_once(
    request: IdempotentRequest,
    hash: str,
    create: Callable[[AsyncConnection], Awaitable[Created]],
    status: int = 201,
) -> JSONResponse:
    """Run `create` in one transaction and answer with `status`; answer a repetition without running
    it. `hash` is that of the request: see `request_hash`.

    The key is held no longer than the transaction, even if the process dies within it, so a
    repetition never has to wait for a lease to end.
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
