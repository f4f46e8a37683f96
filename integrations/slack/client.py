"""Slack's Web API by slack_sdk, through the guard; loaded with the first message to Slack.

Source: docs.slack.dev, "Using the Slack Web API" and chat.postMessage. Errors come with status 200
as `{"ok": false, "error": "…"}`, only rate limits as 429.
"""

import re
from dataclasses import replace

from slack_sdk.web.async_client import AsyncWebClient

from domain.integration.outcome import DeliveryFailed
from domain.json_document import Json
from egress.client import Egress, Reply
from integrations.reply import error_code, json_object, refusal
from integrations.slack.errors import GONE, NOT_EDITABLE, PARTLY_DONE, advice_on, kind_of
from integrations.text import compact

# The answer to a success repeats the message, and may be longer than what is read of an answer.
_BEGINNING = re.compile(rb'\s*\{"ok":\s*true,\s*"channel":\s*"(\w+)",\s*"ts":\s*"([0-9.]+)"')


class Client(AsyncWebClient):
    """Raises DeliveryFailed unless Slack says `"ok": true`; `reply` is its last answer, and `error`
    the word for what is wrong in it, if any."""

    reply: Reply
    error: str | None = None

    def __init__(self, token: str, base_url: str, egress: Egress) -> None:
        super().__init__(token, base_url, session=egress.session, retry_handlers=[])
        self._egress = egress

    async def post(self, request: Json) -> dict[str, str]:
        """Post a message; its channel and ts."""
        posted = await self.chat_postMessage(**request)
        return {name: str(posted.get(name, "")) for name in ("channel", "ts")}

    async def follow_up(self, request: Json) -> dict[str, str] | None:
        """Edit the entity's message, then reply in its thread; the message's channel and ts. None
        if the message is gone: nothing was posted then.

        The reply comes last, as a repetition of it would be seen, and one of the edit is not. A
        message that the workspace lets nobody edit (any more) still gets its reply.
        """
        reply = request["reply"]
        if "edit" in request:
            try:
                await self.chat_update(**request["edit"])
            except DeliveryFailed as failed:
                if self.error in GONE:
                    return None
                if self.error not in NOT_EDITABLE:
                    raise DeliveryFailed(replace(failed.failure, maybe_sent=False)) from None
        await self.post(reply)
        return {"channel": reply["channel"], "ts": reply["thread_ts"]}

    async def _request(self, *, http_verb: str, api_url: str, req_args: Json) -> Json:
        """Replaces slack_sdk's own, which obeys HTTPS_PROXY, follows redirects and reads bodies of
        any length."""
        headers = {name.lower(): value for name, value in req_args["headers"].items()}
        given = req_args.get("json")
        content = b"" if given is None else compact(given)
        self.reply = await self._egress.send(http_verb, api_url, headers, content)
        self.error = error_code(json_object(self.reply).get("error"))
        return {
            "data": _success_of(self.reply),
            "headers": self.reply.headers,
            "status_code": self.reply.status,
        }


def _success_of(reply: Reply) -> Json:
    said = json_object(reply) or _beginning_of(reply.body)
    if reply.status == 200 and said.get("ok") is True:
        return said
    raise _refused(reply, error_code(said.get("error")))


def _beginning_of(body: bytes) -> Json:
    begun = _BEGINNING.match(body)
    return {"ok": True, "channel": begun[1].decode(), "ts": begun[2].decode()} if begun else {}


def _refused(reply: Reply, error: str | None) -> DeliveryFailed:
    if error is None:
        return refusal(reply, f"Slack answered {reply.status}, without saying why")
    return refusal(
        reply,
        f"Slack refused: {advice_on(error)}",
        kind_of(error, reply.status),
        maybe_sent=error in PARTLY_DONE,
    )
