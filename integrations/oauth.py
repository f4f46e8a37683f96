"""Access tokens by OAuth 2.0 (RFC 6749): asked for when needed, kept until they nearly expire.

The two grants that need no user to be present: client credentials (Microsoft 365: an application
may send as a mailbox, SMTP.SendAsApp) and refresh token (Google; Microsoft's delegated SMTP.Send).
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from domain.json_document import Json
from egress.client import Egress, Reply
from integrations.reply import error_code, is_page, json_object, refusal

_KEPT = 2_000  # tokens of one process
_MARGIN = 300.0  # seconds before a token expires, it is replaced
_UNSAID = 600.0  # seconds that a token is taken to last if its vendor does not say
_VENDORS_NUMBER = re.compile(r"AADSTS[0-9]{3,10}")
_PASSING = frozenset({"temporarily_unavailable", "server_error"})
_PASSING_STATUS = frozenset({408, 425})
_HEADERS = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
_ADVICE = {
    "invalid_client": "the client id or secret is wrong, or the secret has expired: make another",
    "invalid_grant": "the refresh token was revoked or has expired: sign in again for another",
    "invalid_scope": "this vendor grants no such scope",
    "unauthorized_client": "the application may not use this grant: allow it at the vendor",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is asked for with, and where."""

    url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    scope: str = ""

    @property
    def form(self) -> bytes:
        kind = "refresh_token" if self.refresh_token else "client_credentials"
        named = {
            "grant_type": kind,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
            "scope": self.scope,
        }
        return urlencode({name: value for name, value in named.items() if value}).encode()


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. At `until` another is asked for; `is_new`: this very call asked for it."""

    text: str = field(repr=False)
    until: float
    is_new: bool = True


class Tokens:
    """The access tokens of one process, by their grants."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._tokens: OrderedDict[Grant, Token] = OrderedDict()
        self._asking: dict[Grant, asyncio.Lock] = {}

    async def token(self, grant: Grant, egress: Egress) -> Token:
        """A token that is valid for some minutes; all who need it at once share one request for it.

        Raises DeliveryFailed; no mail was sent then.
        """
        lock = self._asking.setdefault(grant, asyncio.Lock())
        try:
            async with lock:
                kept = self._tokens.get(grant)
                if kept is not None and self._now() < kept.until:
                    return kept
                token = await _ask_for_token(grant, egress, self._now())
                self._keep(grant, token)
                return token
        finally:
            if not lock.locked():
                self._asking.pop(grant, None)

    def forget(self, grant: Grant, refused: Token) -> None:
        """Drop a token that the mail server refused, unless another was given since."""
        kept = self._tokens.get(grant)
        if kept is not None and kept.text == refused.text:
            del self._tokens[grant]

    def _keep(self, grant: Grant, token: Token) -> None:
        self._tokens[grant] = replace(token, is_new=False)
        if len(self._tokens) > _KEPT:
            self._tokens.popitem(last=False)


async def _ask_for_token(grant: Grant, egress: Egress, now: float) -> Token:
    try:
        reply = await egress.send("POST", grant.url, _HEADERS, grant.form)
    except DeliveryFailed as error:
        detail = f"no access token: {error.failure.detail}"
        raise DeliveryFailed(replace(error.failure, detail=detail, maybe_sent=False)) from None
    said = json_object(reply)
    text = said.get("access_token")
    if reply.status != 200 or not isinstance(text, str) or not _is_token(text):
        raise _refused(grant, reply, said)
    lasts = _seconds(said.get("expires_in"))
    return Token(text, now + max(lasts - _MARGIN, lasts / 2))


def _is_token(text: str) -> bool:
    """Whether it can be sent as a token: wider than RFC 6750 2.1, but it cannot end its line."""
    return 0 < len(text) <= 16_000 and text.isascii() and text.isprintable() and " " not in text


def _seconds(said: Any) -> float:
    """`expires_in` as a number, as some vendors write it as text."""
    try:
        return min(max(float(said), 0.0), 86_400.0)
    except (TypeError, ValueError):
        return _UNSAID


def _refused(grant: Grant, reply: Reply, said: Json) -> DeliveryFailed:
    """The failure, with the vendor's code and advice."""
    host = urlsplit(grant.url).hostname or ""
    if reply.status == 200:  # the body is not recorded: it may hold a token by another name
        page = (
            ", but with a page, as of a login or of a server that rests" if is_page(reply) else ""
        )
        detail = f"{host} answered without an access_token{page}: is tokenUrl its token endpoint?"
        return DeliveryFailed(Failure(FailureClass.MISCONFIGURED, detail, 200))
    code = error_code(said.get("error"))
    number = _VENDORS_NUMBER.search(str(said.get("error_description")))
    names = " ".join(filter(None, [code, number and number[0]]))
    advice = _ADVICE.get(code or "", "look at tokenUrl, clientId and scope")
    detail = f"no access token: {host} answered {reply.status}{f' {names}' if names else ''}"
    kind = _kind(reply.status, code)
    if kind is FailureClass.MISCONFIGURED:
        detail = f"{detail}: {advice}"
    failed = refusal(reply, detail, kind)
    return DeliveryFailed(replace(failed.failure, maybe_sent=False))


def _kind(status: int, code: str | None) -> FailureClass:
    """The class of a refusal: one that does not pass stays until the config changes.

    401 blames the client whatever the code says: ServiceNow answers `server_error` with it where a
    secret or refresh token is wrong.
    """
    if status == 401:
        return FailureClass.MISCONFIGURED
    if code in _PASSING or status in _PASSING_STATUS or status >= 500:
        return FailureClass.TRANSIENT
    return FailureClass.THROTTLED if status == 429 else FailureClass.MISCONFIGURED
