"""Slack on this machine: the Web API's auth.test, chat.postMessage and chat.update, and webhooks.

After docs.slack.dev ("Using the Slack Web API", "Sending messages using incoming webhooks",
"Reference: blocks"). The Web API answers errors with status 200 and JSON, webhooks with 4xx and
plain text; both answer 429 with Retry-After.
"""

import hashlib
import json
import math
import re
import time
from collections.abc import Collection
from typing import Any

from aiohttp import web

from receivers.receiver import Json, Receiver
from receivers.slack_content import fault

EXAMPLE_TOKEN = "xoxb-000000000000-0000000000000-BotTokenOfTheExample"
_WEBHOOK = re.compile(r"/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]+")
_ID = re.compile(r"[CDG][A-Z0-9]{7,}")


class SlackReceiver(Receiver):
    """One workspace. `channels` are names and ids that exist (None: any does), `archived` those
    that take nothing any more (of webhooks: their paths), `per_second` how many new messages each
    channel or webhook takes in a second.

    `messages` is what was posted, as chat.postMessage gives it back, or as a webhook was sent it;
    the `channel` of the latter is the webhook's path.
    """

    kind = "slack"

    def __init__(
        self,
        tokens: Collection[str] = (EXAMPLE_TOKEN,),
        scopes: Collection[str] = ("chat:write",),
        channels: Collection[str] | None = None,
        archived: Collection[str] = (),
        per_second: float | None = None,
    ) -> None:
        super().__init__()
        self.tokens, self.scopes = tokens, scopes
        self.channels, self.archived = channels, archived
        self.per_second = per_second
        self.edits = True  # whether the workspace lets messages be edited
        self.webhooks: Collection[str] | None = None  # paths that are alive; None: all are
        self.messages: list[Json] = []
        self._posted_at: dict[str, float] = {}  # by channel

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        if request.path.startswith("/services/"):
            return self._webhook(request.path, body)
        if not request.path.startswith("/api/"):
            return web.Response(status=404, text="<!DOCTYPE html><title>Not found</title>")
        method = request.path.removeprefix("/api/")
        if method not in ("auth.test", "chat.postMessage", "chat.update"):
            return self._respond({"ok": False, "error": "unknown_method", "req_method": method})
        error = self._token_fault(request.headers.get("Authorization", ""))
        if error is not None:
            return self._respond({"ok": False, "error": error}, known=False)
        if method == "auth.test":
            return self._auth_test()
        return self._write(request, body, edits=method == "chat.update")

    def _respond(self, said: Json, *, known: bool = True) -> web.Response:
        scopes = {"X-OAuth-Scopes": ",".join(self.scopes)} if known else {}
        headers = {"X-Slack-Req-Id": hashlib.sha256(str(said).encode()).hexdigest()[:32], **scopes}
        return web.json_response(said, headers=headers)

    def _token_fault(self, authorization: str) -> str | None:
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or not token:
            return "not_authed"
        return None if token in self.tokens else "invalid_auth"

    def _auth_test(self) -> web.Response:
        return self._respond(
            {
                "ok": True,
                "url": "https://firelater.slack.com/",
                "team": "FireLater",
                "user": "firelater",
                "team_id": "T00000001",
                "user_id": "U00000001",
                "bot_id": "B00000001",
                "is_enterprise_install": False,
            }
        )

    def _write(self, request: web.Request, body: bytes, *, edits: bool) -> web.Response:
        if "chat:write" not in self.scopes:
            provided = ",".join(self.scopes)
            needed = {"needed": "chat:write", "provided": provided}
            return self._respond({"ok": False, "error": "missing_scope", **needed})
        said = _parsed(body) if request.content_type == "application/json" else None
        if said is None:
            return self._respond({"ok": False, "error": "invalid_json"})
        channel = said.get("channel")
        error = (
            self._channel_fault(channel)
            or fault(said)
            or (self._edit_fault(said) if edits else None)
        )
        if error is not None:
            name, _, reason = error.partition(": ")
            why = {"errors": [reason], "response_metadata": {"messages": [f"[ERROR] {reason}"]}}
            return self._respond({"ok": False, "error": name, **(why if reason else {})})
        if edits:
            return self._respond(self._edited(said))
        wait = self._wait(str(channel))
        if wait:
            said = {"ok": False, "error": "ratelimited"}
            return web.json_response(said, status=429, headers={"Retry-After": str(wait)})
        return self._respond(self._posted(str(channel), said))

    def _channel_fault(self, channel: Any) -> str | None:
        if not channel or not isinstance(channel, str):
            return "invalid_arguments: missing required field: channel"
        names = {channel, channel.removeprefix("#"), f"#{channel}"}
        if self.channels is not None and names.isdisjoint(self.channels):
            return "channel_not_found"
        return None if names.isdisjoint(self.archived) else "is_archived"

    def _message(self, channel: Any, ts: Any) -> Json | None:
        """The message at `ts` of a channel that is given by its id."""
        at = [m for m in self.messages if m.get("ts") == ts and channel_id(m["channel"]) == channel]
        return at[0] if at else None

    def _edit_fault(self, said: Json) -> str | None:
        if self._message(said.get("channel"), said.get("ts")) is None:
            return "message_not_found"
        return None if self.edits else "edit_window_closed"

    def _edited(self, said: Json) -> Json:
        posted = self._message(said["channel"], said["ts"])
        assert posted is not None, "an edit of no message is refused before"
        shown = {"text": said.get("text", ""), "blocks": said.get("blocks") or []}
        posted["message"] |= shown | {"edited": {"user": "U00000001", "ts": f"{time.time():.6f}"}}
        names = {"ok": True, "channel": said["channel"], "ts": said["ts"], "text": shown["text"]}
        return {**names, "message": posted["message"]}

    def _wait(self, channel: str) -> int:
        """Seconds until the channel takes another message; whole ones, as Slack says them."""
        now = time.monotonic()
        earliest = self._posted_at.get(channel, -math.inf) + 1 / (self.per_second or math.inf)
        if now < earliest:
            return math.ceil(earliest - now)
        self._posted_at[channel] = now
        return 0

    def _posted(self, channel: str, said: Json) -> Json:
        ts = f"{time.time():.0f}.{len(self.messages):06d}"
        attachments = [
            {"id": number, "fallback": "[no preview available]", **attachment}
            for number, attachment in enumerate(said.get("attachments") or [], 1)
        ]
        message = {
            "type": "message",
            "user": "U00000001",
            "bot_id": "B00000001",
            "team": "T00000001",
            "ts": ts,
            "text": said.get("text", ""),
            "blocks": said.get("blocks") or [],
            **({"attachments": attachments} if attachments else {}),
            **({"thread_ts": said["thread_ts"]} if said.get("thread_ts") else {}),
            **({"subtype": "thread_broadcast"} if said.get("reply_broadcast") else {}),
        }
        posted = {"ok": True, "channel": channel_id(channel), "ts": ts, "message": message}
        self.messages.append({**posted, "channel": channel})
        return posted

    def _webhook(self, path: str, body: bytes) -> web.Response:
        if not _WEBHOOK.fullmatch(path):
            return web.Response(status=404, text="no_team")
        if self.webhooks is not None and path not in self.webhooks:
            return web.Response(status=404, text="no_service")
        said = _parsed(body)
        if said is None:
            return web.Response(status=400, text="invalid_payload")
        error = fault(said)
        if error is not None:
            return web.Response(status=400, text=error.partition(":")[0])
        if path in self.archived:
            return web.Response(status=410, text="channel_is_archived")
        wait = self._wait(path)
        if wait:
            return web.Response(status=429, text="rate_limited", headers={"Retry-After": str(wait)})
        self.messages.append({"channel": path, "message": said})
        return web.Response(text="ok")


def channel_id(channel: str) -> str:
    """The id of a channel that is given by its name."""
    if _ID.fullmatch(channel):
        return channel
    name = channel.removeprefix("#").lower().encode()
    return "C" + hashlib.sha256(name).hexdigest()[:10].upper()


def _parsed(body: bytes) -> Json | None:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
