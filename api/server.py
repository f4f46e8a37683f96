"""The HTTP server around the application: uvicorn, which waits for nobody who never ends."""

import socket

import uvicorn
from fastapi import FastAPI

_GRACE_SECONDS = 30
# Longer than clients and load balancers keep a connection (nginx and AWS: 60 s). Who closes first
# must be the client: a request that meets the server's closing fails, and a POST is not repeated.
_IDLE_SECONDS = 75


class Server(uvicorn.Server):
    """uvicorn waits for open answers before it tells the application; here that is told first, so
    that live views and waiting uploads end instead of holding up all others."""

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
