"""`Idempotency-Key`: the same request twice has one effect and the same answer."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import JSONResponse

from api.auth import Caller
from api.context import Context
from api.errors import ApiError
from storage import idempotency
from storage.idempotency import Answered

IdempotencyKey = Annotated[str | None, Header(max_length=255, min_length=1)]


def request_hash(fields: Any, content: str = "") -> str:
    """The hash of a request's canonical fields and of its file, whatever the transport did."""
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(f"{canonical}\n{content}".encode()).hexdigest()


class Once:
    """One request's hold on its key. `replay` first, `settle` last."""

    def __init__(self, context: Context, caller: Caller, key: str | None) -> None:
        self._context, self._caller, self._key = context, caller, key
        self.earlier: Answered | None = None

    async def reserve(self) -> None:
        if self._key is None:
            return
        try:
            async with self._context.database.tenant(self._caller.tenant_id) as connection:
                self.earlier = await idempotency.reserve(
                    connection, self._caller.tenant_id, self._key
                )
        except idempotency.InFlight as error:
            detail = "a request with this Idempotency-Key is still being worked on"
            raise ApiError(409, "idempotency_in_flight", detail) from error

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

    async def settle(self, hash: str, status: int, response: dict[str, Any]) -> None:
        if self._key is not None:
            async with self._context.database.tenant(self._caller.tenant_id) as connection:
                await idempotency.settle(
                    connection,
                    self._caller.tenant_id,
                    self._key,
                    Answered(hash, status, response),
                )

    async def release(self) -> None:
        if self._key is not None:
            async with self._context.database.tenant(self._caller.tenant_id) as connection:
                await idempotency.release(connection, self._caller.tenant_id, self._key)


@asynccontextmanager
async def once(context: Context, caller: Caller, key: str | None) -> AsyncIterator[Once]:
    """Hold the key for the length of a request; a request that fails gives it back."""
    hold = Once(context, caller, key)
    await hold.reserve()
    try:
        yield hold
    except BaseException:
        if hold.earlier is None:
            await hold.release()
        raise
