"""Webhook endpoints that answer the first attempt of every message with 429 and a time to wait."""

import asyncio
import math
import random
import time
from collections import Counter
from email.utils import formatdate

from aiohttp import web

from domain.notification.backoff import SHORTEST_WISH, THROTTLED
from receivers.webhook import WebhookReceiver

PATHS = tuple(f"/hook/{number}" for number in range(100))  # each path is a destination
_SOONEST, _LATEST = 1, 5  # seconds to wait
# Seconds before a 429. Requests that were sent before this answer then arrive before it, and do not
# count as too early.
_THOUGHT = 0.25


class RetryingReceiver(WebhookReceiver):
    """Answers repeated messages with 204.

    `early` counts requests that came before the time that an earlier answer at the same path had
    asked for. `late`: for each repeated message, by how many seconds it came after that time;
    `overdue`: after the time from which docs/delivery.md lets it come, as a vendor that throttles
    us again gets a longer rest than it asks for.
    `asked` counts the 429s by how they gave the time (`date` or `seconds`).
    """

    def __init__(self, secret: str, chance: random.Random) -> None:
        super().__init__(secret)
        self._chance = chance
        self._free_at: dict[str, float] = {}  # by path
        self.asked: Counter[str] = Counter()
        self.early = 0
        self.late: list[float] = []
        self.overdue: list[float] = []
        self._due_at: dict[str, float] = {}  # by path
        self._rests: Counter[str] = Counter()  # by path, since nothing else has arrived there

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        now, free_at = time.time(), self._free_at.get(request.path, 0.0)
        self.early += now < free_at
        response = await super().answer(request, body)
        if response.status != self.status:
            return response
        if self.seen[request.headers["webhook-id"]] > 1:
            self.late.append(now - free_at)
            self.overdue.append(now - self._due_at.get(request.path, 0.0))
            self._rests[request.path] = 0
            return response
        await asyncio.sleep(_THOUGHT)
        return self._wait(request.path)

    def _wait(self, path: str) -> web.Response:
        """A 429. Half of them give the seconds to wait, half a date (in whole seconds)."""
        now, wait = time.time(), self._chance.randint(_SOONEST, _LATEST)
        dated = self._chance.random() < 0.5
        free_at = math.ceil(now) + wait - 1 if dated else now + wait
        self.asked["date" if dated else "seconds"] += 1
        self._free_at[path] = max(self._free_at.get(path, 0.0), free_at)
        self._rest(path, now, free_at - now)
        said = formatdate(free_at, usegmt=True) if dated else str(wait)
        return web.Response(status=429, headers={"Retry-After": said})

    def _rest(self, path: str, now: float, wish: float) -> None:
        """Note the rest that our own rules give the path; what was on its way when a rest began
        only prolongs it (docs/delivery.md)."""
        due_at = self._due_at.get(path, 0.0)
        if now < due_at:
            self._due_at[path] = max(due_at, now + wish)
            return
        step = self._rests[path] + (wish < SHORTEST_WISH)
        self._rests[path] += 1
        self._due_at[path] = now + max(wish, THROTTLED.delay(step) if step else 0.0)
