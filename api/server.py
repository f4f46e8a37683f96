"""The HTTP server: uvicorn, with a shutdown that ends long requests early."""

import socket

import uvicorn
from fastapi import FastAPI

_GRACE_SECONDS = 30
# Longer than clients and load balancers keep a connection (nginx and AWS: 60 s), so that the client
# closes first: a request sent while the server closes fails, and clients do not repeat a POST.
_IDLE_SECONDS = 75


class Server(uvicorn.Server):
    """uvicorn that sets the context's `closing` before it waits for open answers, so that event
    streams and waiting uploads end instead of delaying the shutdown."""

    def __init__(self, app: FastAPI, **config: object) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                timeout_keep_alive=_IDLE_SECONDS,
                **config,  # type: ignore[arg-type]
            )
        )
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.context.closing.set()
        await super().shutdown(sockets)
