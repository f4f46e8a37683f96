"""Health endpoints for supervisors and load balancers."""

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from temporalio.client import Client

from api.context import InContext
from domain.json_document import Json

router = APIRouter(tags=["health"])

_PATIENCE = 3  # seconds; a probe must answer before the load balancer gives up


class NotServing(Exception):
    """Temporal answers, and says that it cannot serve requests, as while it stops."""


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Say that the process runs (liveness). Needs no key; always answers 200."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(context: InContext) -> JSONResponse:
    """Say whether the service can serve requests (readiness).

    Needs no key. Answers the state of PostgreSQL, Temporal and the object storage, each of which
    has three seconds to answer: 200 if all are `ok`, else 503.
    """
    checks = {
        "postgres": context.database.ping(),
        "temporal": _check_serving(context.temporal),
        "storage": context.store.ping(),
    }
    states = await asyncio.gather(*(_state(check) for check in checks.values()))
    body: Json = dict(zip(checks, states, strict=True))
    ok = all(state == "ok" for state in states)
    return JSONResponse({"status": "ok" if ok else "unavailable", **body}, 200 if ok else 503)


async def _check_serving(temporal: Client) -> None:
    """Raises NotServing, or RPCError if Temporal cannot be reached."""
    if not await temporal.service_client.check_health():
        raise NotServing


async def _state(check: Awaitable[object]) -> str:
    """`ok`, or why the check failed."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await check
    except Exception as error:  # whatever the failure is, it is what the probe reports
        return f"unavailable ({type(error).__name__})"
    return "ok"
