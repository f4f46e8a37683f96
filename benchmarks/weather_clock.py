"""Shortens waits from outside, and measures how long deliveries stand still.

When there is nothing to do now, all times of waiting deliveries in the database are moved back, so
that the next is due: as if that time had passed (a leap). Timers of workflows do not know of it. A
workflow whose timer would have fired by then is woken by a signal; no other workflow is.
"""

import asyncio
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import asyncpg
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from storage.notification.order import BLOCKED, BLOCKED_BY_STATE

_EVERY = 0.5  # seconds between two looks
_LEAST = 20.0  # the shortest leap, in seconds
_AT_ONCE = 10  # workflows whose histories are read
_BUSY = {"routing", "rate", "ready", "sending"}  # states in which there is something to do now

_STATES = f"""
select d.id::text as id, d.attempts, d.request_id::text as request_id,
    d.integration_id::text || '/' || d.destination as place,
    case when d.status = 'sending' then 'sending'
        when d.next_attempt_at is null then 'routing'
        when d.next_attempt_at > now() then 'wait'
        when i.is_active is not true then 'off'
        when r.rests_until > now() then 'rest'
        when r.probe_at > now() then 'doubt'
        when r.free_at > now() then 'rate'
        when case when d.channel_type = 'pagerduty' then {BLOCKED_BY_STATE} else {BLOCKED} end
            then 'order'
        else 'ready' end as state,
    extract(epoch from least(
        case when d.next_attempt_at > now() then d.next_attempt_at end,
        case when r.rests_until > now() then r.rests_until end,
        case when r.probe_at > now() then r.probe_at end, d.deadline_at) - now())::float8 as next
from notification_deliveries d left join integrations i on i.id = d.integration_id
    left join delivery_rates r
        on r.integration_id = d.integration_id and r.destination = d.destination
where d.completed_at is null
""".replace("tenant.", "")  # BLOCKED names the schema so; here it is in the search path
_UNROUTED = "select count(*) from notifications where routed_at is null"
_LOCK = "lock table notification_deliveries, delivery_attempts, delivery_rates in exclusive mode"
_LEAPS = (
    "update notification_deliveries set created_at = created_at - make_interval(secs => $1),"
    " next_attempt_at = next_attempt_at - make_interval(secs => $1),"
    " deadline_at = deadline_at - make_interval(secs => $1) where completed_at is null",
    "update delivery_rates set free_at = free_at - make_interval(secs => $1),"
    " rests_until = rests_until - make_interval(secs => $1),"
    " probe_at = probe_at - make_interval(secs => $1),"
    " probed_at = probed_at - make_interval(secs => $1)",
)


def _nexts(rows: list[Any]) -> list[float]:
    """Seconds until each waiting delivery is due; those that are switched off are left out."""
    return [row["next"] for row in rows if row["state"] != "off" and row["next"] is not None]


def _seconds() -> defaultdict[Any, float]:
    return defaultdict(float)


@dataclass(slots=True)
class Clock:
    """The leaps: `at` is the time of each, `taken` the seconds that all leaps until then skipped.

    Shortened time is real time plus the seconds that were skipped until then.
    """

    at: list[float] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        return self.taken[-1] if self.taken else 0.0

    def leap(self, at: float, seconds: float) -> None:
        self.at.append(at)
        self.taken.append(self.total + seconds)

    def passed(self, real: float) -> float:
        """The shortened time at a real time."""
        place = bisect_right(self.at, real)
        return real + (self.taken[place - 1] if place else 0.0)

    def real(self, passed: float) -> float:
        """The first real time at which the shortened time was `passed`."""
        for at, taken, before in zip(self.at, self.taken, [0.0, *self.taken], strict=False):
            if passed <= at + before:
                return passed - before
            if passed <= at + taken:
                return at
        return passed - self.total


@dataclass(slots=True)
class Watch:
    """Looks at all open deliveries twice a second.

    `excused`: by delivery and number of attempts, the seconds in which it could not be sent for a
    recorded reason, such as a rest. `longest`: by state, the longest time of one delivery in it, in
    seconds. `idle`: the longest time for which the destination `idlest` had a delivery ready and
    sent nothing.
    """

    connection: asyncpg.Connection
    timers: "Timers"
    clock: Clock = field(default_factory=Clock)
    excused: dict[tuple[str, int], float] = field(default_factory=_seconds)
    longest: dict[str, float] = field(default_factory=_seconds)
    idle: float = 0.0
    idlest: str = ""
    leaps: bool = False  # whether to leap
    _held: dict[str, tuple[str, float]] = field(default_factory=dict)
    _still: dict[str, float] = field(default_factory=_seconds)
    _sent: dict[str, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Look, and leap when there is nothing to do now. There is no leap while workflows are
        still being woken for the last one, which takes seconds."""
        loop, quiet, ringing = asyncio.get_running_loop(), 0, asyncio.create_task(asyncio.sleep(0))
        before = loop.time()
        try:
            while True:
                await asyncio.sleep(_EVERY)
                rows = await self.connection.fetch(_STATES)
                now = loop.time()
                self._note(rows, now - before)
                before = now
                quiet = quiet + 1 if await self._is_quiet(rows) else 0
                if self.leaps and quiet >= 2 and ringing.done() and (nexts := _nexts(rows)):
                    ringing.result()
                    at, quiet = await self._leap(max(min(nexts), _LEAST)), 0
                    requests = {row["request_id"] for row in rows}
                    ringing = asyncio.create_task(self.timers.ring(self.clock, at, requests))
        finally:
            ringing.cancel()

    async def _is_quiet(self, rows: list[Any]) -> bool:
        if any(row["state"] in _BUSY for row in rows):
            return False
        return bool(await self.connection.fetchval(_UNROUTED) == 0)

    def _note(self, rows: list[Any], seconds: float) -> None:
        sent: Counter[str] = Counter()
        for row in rows:
            sent[row["place"]] += row["attempts"]
        working = {row["place"] for row in rows if row["state"] == "sending"}
        ready = {row["place"] for row in rows if row["state"] == "ready"}
        # Deliveries that ended are no longer counted, so any difference means that the destination
        # has sent something.
        working |= {place for place, number in sent.items() if self._sent.get(place) != number}
        self._sent = dict(sent)
        for place in self._still.keys() - (ready - working):
            del self._still[place]
        for place in ready - working:
            self._still[place] += seconds
        for place, still in self._still.items():
            if still > self.idle:
                self.idle, self.idlest = still, place
        for row in rows:
            stands = row["state"] == "ready" and row["place"] not in working
            self._hold(row, "idle" if stands else row["state"], seconds)

    def _hold(self, row: Any, state: str, seconds: float) -> None:
        if state not in ("wait", "idle"):
            self.excused[row["id"], row["attempts"]] += seconds
        known, held = self._held.get(row["id"], ("", 0.0))
        held = held + seconds if known == state else seconds
        self._held[row["id"]] = (state, held)
        self.longest[state] = max(self.longest[state], held)

    async def _leap(self, seconds: float) -> float:
        """Move all times back by so many seconds; returns the real time of the leap."""
        async with self.connection.transaction():
            await self.connection.execute(_LOCK)
            now = "select extract(epoch from clock_timestamp())::float8"
            at: float = await self.connection.fetchval(now)
            for statement in _LEAPS:
                await self.connection.execute(statement, seconds)
        self.clock.leap(at, seconds)
        return at


@dataclass(slots=True)
class Timers:
    """The timers of workflows, read from their histories; `rung` counts workflows that were
    woken."""

    client: Client
    rung: int = 0

    async def ring(self, clock: Clock, at: float, requests: set[str]) -> None:
        """Wake the workflows of requests that have a timer which would have fired by the leap at
        `at`."""
        some = asyncio.Semaphore(_AT_ONCE)

        async def one(request: str) -> None:
            async with some:
                handle = self.client.get_workflow_handle(f"notification/{request}")
                for started, lasts in await _timers(handle):
                    if clock.passed(started) + lasts <= clock.passed(at):
                        self.rung += 1
                        await handle.signal("wake")
                        break

        await asyncio.gather(*map(one, requests))


async def _timers(handle: WorkflowHandle[Any, Any]) -> list[tuple[float, float]]:
    """The running timers of a workflow: when each was started (seconds since 1970), and how many
    seconds it lasts."""
    running: dict[str, tuple[float, float]] = {}
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
            timer = event.timer_started_event_attributes
            started = event.event_time.ToDatetime(UTC).timestamp()
            lasts = timer.start_to_fire_timeout.ToTimedelta().total_seconds()
            running[timer.timer_id] = (started, lasts)
        elif event.event_type == EventType.EVENT_TYPE_TIMER_FIRED:
            running.pop(event.timer_fired_event_attributes.timer_id, None)
        elif event.event_type == EventType.EVENT_TYPE_TIMER_CANCELED:
            running.pop(event.timer_canceled_event_attributes.timer_id, None)
    return list(running.values())
