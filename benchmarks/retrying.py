"""Webhook endpoints that answer every message 429 at first, each time with a time to wait."""

import asyncio
import math
import random
import time
from collections import Counter
from email.utils import formatdate

from aiohttp import web

from receivers.webhook import WebhookReceiver

PATHS = tuple(f"/hook/{number}" for number in range(100))  # each a destination of its own
_SOONEST, _LATEST = 1, 5  # seconds to wait
_THOUGHT = 0.25  # before it answers: what was sent before an answer has arrived before it


class RetryingReceiver(WebhookReceiver):
    """Answers 204 to what comes again.

    `early` counts requests, first ones and others, that came before the time that an answer to
    any request at the same path had asked for, by so much as a millisecond. `late` has, of each
    message that came again, by how much that was after the time from which the path was free.
    `asked` counts the answers by how they gave the time.
    """

    def __init__(self, secret: str, chance: random.Random) -> None:
        super().__init__(secret)
        self._chance = chance
        self._free_at: dict[str, float] = {}  # by path
        self.asked: Counter[str] = Counter()
        self.early = 0
        self.late: list[float] = []

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        now, free_at = time.time(), self._free_at.get(request.path, 0.0)
        self.early += now < free_at
        response = await super().answer(request, body)
        if response.status != self.status:
            return response
        if self.seen[request.headers["webhook-id"]] > 1:
            self.late.append(now - free_at)
            return response
        await asyncio.sleep(_THOUGHT)
        return self._wait(request.path)

    def _wait(self, path: str) -> web.Response:
        """Half of them say how long, half until when: a date, in whole seconds."""
        now, wait = time.time(), self._chance.randint(_SOONEST, _LATEST)
        dated = self._chance.random() < 0.5
        free_at = math.ceil(now) + wait - 1 if dated else now + wait
        self.asked["date" if dated else "seconds"] += 1
        self._free_at[path] = max(self._free_at.get(path, 0.0), free_at)
        said = formatdate(free_at, usegmt=True) if dated else str(wait)
        return web.Response(status=429, headers={"Retry-After": said})
