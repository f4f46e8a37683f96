"""Is it alive, is it ready: for supervisors, load balancers and people."""

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.context import InContext
from domain.json_document import Json

router = APIRouter(tags=["health"])

_PATIENCE = 3  # seconds; a probe must answer before whoever probes gives up


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process runs."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(context: InContext) -> JSONResponse:
    """Whether each server this service depends on answers; 503 if one does not."""
    checks = {
        "postgres": context.database.ping(),
        "temporal": context.temporal.service_client.check_health(),
        "storage": context.store.ping(),
    }
    states = await asyncio.gather(*(_state(check) for check in checks.values()))
    body: Json = dict(zip(checks, states, strict=True))
    ok = all(state == "ok" for state in states)
    return JSONResponse({"status": "ok" if ok else "unavailable", **body}, 200 if ok else 503)


async def _state(check: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            await check
    except Exception as error:  # whatever keeps the server from answering is the answer
        return f"unavailable ({type(error).__name__})"
    return "ok"
