"""Who may call the instance: users with passwords, API keys, and OAuth clients with their tokens.

After docs.servicenow.com, "OAuth inbound". A wrong client, secret or refresh token is answered 401
with `server_error`, as instances do, although RFC 6749 knows that error for other things.
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs
from uuid import uuid4

from aiohttp import web

EXAMPLE_USER, EXAMPLE_PASSWORD = "firelater.integration", "ServiceNowPasswordOfTheExample"
EXAMPLE_CLIENT, EXAMPLE_SECRET = "a-client-of-the-example", "ServiceNowSecretOfTheExample"
EXAMPLE_REFRESH, EXAMPLE_KEY = "ServiceNowRefreshTokenOfTheExample", "ServiceNowKeyOfTheExample"
_DENIED = {"error_description": "access_denied", "error": "server_error"}


@dataclass
class Logins:
    """By their names, what proves them; `tokens` are access tokens and when each ends."""

    users: dict[str, str] = field(default_factory=lambda: {EXAMPLE_USER: EXAMPLE_PASSWORD})
    keys: set[str] = field(default_factory=lambda: {EXAMPLE_KEY})
    clients: dict[str, str] = field(default_factory=lambda: {EXAMPLE_CLIENT: EXAMPLE_SECRET})
    refresh_tokens: set[str] = field(default_factory=lambda: {EXAMPLE_REFRESH})
    tokens: dict[str, float] = field(default_factory=dict)
    lasts: float = 1_799.0
    given: int = 0

    def user(self, headers: Mapping[str, str]) -> str | None:
        """The name of who calls; None if nobody is known by these headers."""
        if headers.get("x-sn-apikey") in self.keys:
            return EXAMPLE_USER
        scheme, _, proof = headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer":
            return EXAMPLE_USER if self.tokens.get(proof, 0.0) > time.monotonic() else None
        try:
            name, _, password = base64.b64decode(proof).decode().partition(":")
        except ValueError:
            return None
        known = scheme == "Basic" and self.users.get(name) == password
        return name if known else None

    def give_token(self, request: web.Request, body: bytes) -> web.Response:
        if request.content_type != "application/x-www-form-urlencoded":
            return web.json_response(_DENIED, status=401)
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        secret = self.clients.get(form.get("client_id", ""))
        granted = secret is not None and form.get("client_secret") == secret
        match form.get("grant_type"):
            case "client_credentials":
                pass
            case "refresh_token":
                granted = granted and form.get("refresh_token") in self.refresh_tokens
            case "password":
                known = self.users.get(form.get("username", ""))
                granted = granted and known is not None and known == form.get("password")
            case _:
                granted = False
        if not granted:
            return web.json_response(_DENIED, status=401)
        return self._given()

    def _given(self) -> web.Response:
        self.given += 1
        token = uuid4().hex
        self.tokens[token] = time.monotonic() + self.lasts
        said = {"access_token": token, "scope": "useraccount", "token_type": "Bearer"}
        return web.json_response({**said, "expires_in": int(self.lasts)})
