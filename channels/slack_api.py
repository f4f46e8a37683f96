"""Slack's Web API by slack_sdk, through the guard; loaded with the first message to Slack.

Source: docs.slack.dev, "Using the Slack Web API" and chat.postMessage. Errors come with status 200
as `{"ok": false, "error": "…"}`, only rate limits as 429.
"""

import re
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from channels.egress import Egress, Reply
from channels.reply import error_code, json_object, refusal
from channels.text import compact
from domain.delivery import DeliveryFailed, FailureClass

# What is not named here is permanent: the channel, the content, or new.
_KINDS = {
    **dict.fromkeys(
        (
            *("not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired"),
            *("missing_scope", "no_permission", "not_allowed_token_type", "ekm_access_denied"),
        ),
        FailureClass.MISCONFIGURED,
    ),
    **dict.fromkeys(("ratelimited", "rate_limited"), FailureClass.THROTTLED),
    **dict.fromkeys(
        (
            *("internal_error", "fatal_error", "request_timeout", "service_unavailable"),
            "team_added_to_org",
        ),
        FailureClass.TRANSIENT,
    ),
}
_PARTLY_DONE = frozenset({"internal_error", "fatal_error"})  # as Slack says of them
_ADVICE = {
    "not_in_channel": ": invite the app to the channel",
    "channel_not_found": ": there is no such channel, or it is private and the app not in it",
    "missing_scope": ": give the app the scope chat:write and install it again",
}
# A success repeats the message, and may be longer than what is read of it.
_BEGINNING = re.compile(rb'\s*\{"ok":\s*true,\s*"channel":\s*"(\w+)",\s*"ts":\s*"([0-9.]+)"')


class Client(AsyncWebClient):
    """Raises DeliveryFailed unless Slack says `"ok": true`; `reply` is its last answer."""

    reply: Reply

    def __init__(self, token: str, base_url: str, egress: Egress) -> None:
        super().__init__(token, base_url, session=egress.session, retry_handlers=[])
        self._egress = egress

    async def _request(
        self, *, http_verb: str, api_url: str, req_args: dict[str, Any]
    ) -> dict[str, Any]:
        """Instead of slack_sdk's, which takes HTTPS_PROXY, redirects, and a body of any length."""
        headers = {name.lower(): value for name, value in req_args["headers"].items()}
        given = req_args.get("json")
        content = b"" if given is None else compact(given)
        self.reply = await self._egress.send(http_verb, api_url, headers, content)
        return {
            "data": _said(self.reply),
            "headers": self.reply.headers,
            "status_code": self.reply.status,
        }


def _said(reply: Reply) -> dict[str, Any]:
    said = json_object(reply) or _begun(reply.body)
    if reply.status == 200 and said.get("ok") is True:
        return said
    raise _refused(reply, error_code(said.get("error")))


def _begun(body: bytes) -> dict[str, Any]:
    begun = _BEGINNING.match(body)
    return {"ok": True, "channel": begun[1].decode(), "ts": begun[2].decode()} if begun else {}


def _refused(reply: Reply, error: str | None) -> DeliveryFailed:
    if error is None:
        return refusal(reply, f"Slack answered {reply.status}, without saying why")
    return refusal(
        reply,
        f"Slack refused: {error}{_ADVICE.get(error, '')}",
        _KINDS.get(error) if reply.status == 200 else None,
        maybe_sent=error in _PARTLY_DONE,
    )
