"""`/metrics` for Prometheus: the number of requests by outcome, and how long they took.

Labels are methods, route templates and status codes; no tenant, id or content of a request.
"""

import time
from http import HTTPMethod

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client import generate_latest as exposition
from starlette.types import ASGIApp, Message, Receive, Scope, Send

router = APIRouter(tags=["health"])

_METHODS = frozenset(HTTPMethod)
_REGISTRY = CollectorRegistry()
_REQUESTS = Counter(
    "firelater_http_requests_total",
    "Requests by method, route and status",
    ("method", "route", "status"),
    registry=_REGISTRY,
)
_SECONDS = Histogram(
    "firelater_http_request_seconds",
    "Time to the end of the answer by method and route",
    ("method", "route"),
    registry=_REGISTRY,
)


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Read the counters of this API process in Prometheus' text format. Needs no key."""
    return Response(exposition(_REGISTRY), media_type=CONTENT_TYPE_LATEST)


class Measured:
    """Counts and times every request once its answer has ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            # Paths without a route share one label, and so do invented methods: each label takes
            # memory, and clients without a key must not create them at will.
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            _REQUESTS.labels(method, route, str(status)).inc()
            _SECONDS.labels(method, route).observe(time.perf_counter() - started)
