"""What surrounds the routes: a bound on bodies, and who may call the codec from a browser."""

from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import ApiError

BODY_BYTES = 4 * 2**20  # a Temporal message, which /codec is sent, has no more


class BodyLimit:
    """Refuses to read more than BODY_BYTES: FastAPI reads JSON whole, before it asks for a key.

    `streamed` is the path that reads its body as a stream, with a bound of its own.
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
    """Lets pages of the Temporal Web UI, and of nothing else, call the codec endpoint."""

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
