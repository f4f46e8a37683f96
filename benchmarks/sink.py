"""A webhook endpoint that answers as fast as possible: `python -m benchmarks.sink PORT`.

`POST /<anything>` accepts a delivery. `GET /arrivals?from=N` lists deliveries from number N on, as
[path, webhook-id, entityId, time.time()]. `PUT /hang/<path>` makes a path hang, and `DELETE
/hang/<path>` ends that: what hung is answered 503.
"""

import asyncio
import sys
import time

from aiohttp import web

_arrivals: list[tuple[str, str, str, float]] = []
_hanging: dict[str, asyncio.Event] = {}


async def _take(request: web.Request) -> web.Response:
    at, body = time.time(), await request.read()
    released = _hanging.get(request.path)
    if released is not None:
        await released.wait()
        return web.Response(status=503)
    entity = body.partition(b'"entityId":"')[2].partition(b'"')[0].decode()
    _arrivals.append((request.path, request.headers.get("webhook-id", ""), entity, at))
    return web.Response(status=204)


async def _list(request: web.Request) -> web.Response:
    return web.json_response(_arrivals[int(request.query.get("from", "0")) :])


async def _hang(request: web.Request) -> web.Response:
    _hanging[f"/{request.match_info['path']}"] = asyncio.Event()
    return web.Response()


async def _release(request: web.Request) -> web.Response:
    _hanging.pop(f"/{request.match_info['path']}").set()
    return web.Response()


def main() -> None:
    app = web.Application()
    app.router.add_get("/arrivals", _list)
    app.router.add_put("/hang/{path:.*}", _hang)
    app.router.add_delete("/hang/{path:.*}", _release)
    app.router.add_post("/{path:.*}", _take)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
