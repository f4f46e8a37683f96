"""Middleware: a limit for the size of bodies, and which web pages may call the codec endpoint."""

from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError

BODY_BYTES = 4 * 2**20  # as much as one message of Temporal's server has at most (gRPC)


class BodyLimit:
    """Refuses bodies of more than BODY_BYTES, since FastAPI reads JSON whole before it checks keys.

    `streamed` is the path of the upload, which reads its body as a stream and has its own limit.
    """

    def __init__(self, app: ASGIApp, streamed: str) -> None:
        self._app, self._streamed = app, streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_BYTES:
                raise ApiError("body_too_large", "the body is too large", limit=BODY_BYTES)
            return message

        is_bounded = scope["type"] == "http" and scope["path"] != self._streamed
        await self._app(scope, bounded if is_bounded else receive, send)


class CodecOrigin:
    """Lets web pages of the Temporal UI, and no others, call the codec endpoint (CORS)."""

    def __init__(self, app: ASGIApp, ui_url: str) -> None:
        ui = urlsplit(ui_url)
        self._app = app
        self._shared = CORSMiddleware(
            app,
            allow_origins=[f"{ui.scheme}://{ui.netloc}"],
            allow_methods=["POST"],
            # The UI names the namespace of the payloads in a header of its own.
            allow_headers=["Authorization", "Content-Type", "X-Namespace"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_codec = scope["type"] == "http" and scope["path"].startswith("/codec/")
        await (self._shared if is_codec else self._app)(scope, receive, send)
