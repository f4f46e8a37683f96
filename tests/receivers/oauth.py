"""A token endpoint (RFC 6749) as Microsoft's and Google's answer."""

from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from receivers.receiver import Receiver

_WANTED = {
    "client_credentials": {"client_id", "client_secret", "scope"},
    "refresh_token": {"client_id", "refresh_token"},
}


class TokenEndpoint(Receiver):
    """Gives `tokens` in their order, then more of its own; knows one client and its secrets."""

    kind = "oauth"
    client_id, client_secret = "an-application", "a-client-secret-of-the-example"
    refresh_token = "1//0a-refresh-token-of-the-example"

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[str] = []
        self.expires_in: Any = 3_600
        self.given = 0

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        if request.content_type != "application/x-www-form-urlencoded":
            return _no("invalid_request", "AADSTS900144: a form is wanted")
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        wanted = _WANTED.get(form.get("grant_type", ""))
        if wanted is None:
            return _no("unsupported_grant_type", "AADSTS70003: no such grant")
        if missing := wanted - form.keys():
            return _no("invalid_request", f"AADSTS900144: missing {sorted(missing)}")
        if form.get("client_secret", self.client_secret) != self.client_secret:
            return _no("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
        if form.get("refresh_token", self.refresh_token) != self.refresh_token:
            return _no("invalid_grant", "Token has been expired or revoked.")
        self.given += 1
        token = self.tokens.pop(0) if self.tokens else f"token-{self.given}"
        said = {"token_type": "Bearer", "expires_in": self.expires_in, "access_token": token}
        return web.json_response({name: each for name, each in said.items() if each is not None})


def _no(error: str, description: str, status: int = 400) -> web.Response:
    said = {"error": error, "error_description": description, "error_codes": [7]}
    return web.json_response(said, status=status)
