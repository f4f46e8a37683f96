"""Somebody's webhook endpoint, which checks signatures with the `standardwebhooks` library."""

import json
from collections import Counter

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from receivers.receiver import Json, Receiver

EXAMPLE_SECRET = "whsec_c2lnbmluZy1zZWNyZXQtb2YtdGhlLWV4YW1wbGU="


class WebhookReceiver(Receiver):
    """Answers `status` to what one of `secrets` has signed, 401 to all else.

    Without `secrets`, the example's secret is used. `seen` counts the messages by id, so that one
    that comes again is known.
    """

    kind = "generic_webhook"

    def __init__(self, *secrets: str, status: int = 204) -> None:
        super().__init__()
        self.secrets = secrets or (EXAMPLE_SECRET,)
        self.status = status
        self.seen: Counter[str] = Counter()
        self.events: list[Json] = []  # the first message of every id

    @property
    def duplicates(self) -> int:
        return self.seen.total() - len(self.seen)

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        headers = dict(request.headers)
        if not any(_is_signed(secret, headers, body) for secret in self.secrets):
            return web.Response(status=401, text="no matching signature found")
        id = request.headers["webhook-id"]
        self.seen[id] += 1
        if self.seen[id] == 1:
            self.events.append(json.loads(body))
        return web.Response(status=self.status)


def _is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True
