"""Judges a campaign of benchmarks/notification_weather.py: compares the database and what arrived
with what was asked for."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.weather_clock import Watch
from benchmarks.weather_vendors import Vendors
from domain.integration.retry_schedule import PROMPT
from domain.notification.backoff import most_attempts
from integrations import CHANNELS
from tests.service import Tenant

LATE_SECONDS = 15.0  # a due delivery must be sent within so many seconds of real time
_EARLY_SECONDS = 1.0  # tolerance for the clocks of two processes and the time of a transaction
_NAMED = re.compile(r"entity (\d+), (\d+) to come")
_SCHEDULES = {kind: channel.limits.schedule for kind, channel in CHANNELS.items()}
_SENT = {"accepted", "delivered"}

_RECORD = """
select d.id::text as id, d.notification_id::text as notification_id, d.channel_type, d.status,
    d.reason, d.last_error, d.attempts, d.action, d.recipient, d.channel_id::text as channel_id,
    d.integration_id::text as integration_id, d.destination, d.completed_at, n.title
from notification_deliveries d join notifications n on n.id = d.notification_id
"""
_ATTEMPTS = """
select delivery_id::text as id, no, class,
    extract(epoch from started_at)::float8 as started,
    extract(epoch from completed_at)::float8 as completed,
    extract(epoch from next_attempt_at)::float8 as next
from delivery_attempts order by delivery_id, no
"""

Key = tuple[str, int]  # a place and an entity
# An attempt that came too early: delivery, number, class of the attempt before, and seconds.
Early = tuple[str, int, str, float]


@dataclass(slots=True)
class Asked:
    """What was done to the service. `accepted`: the ids of notifications. `names`: the channels'
    names by id. `whole`: the names of channels that existed all the time. `acts`: each change or
    test of an integration, with its begin and end. `resent`: each resent delivery, with the time.
    `done`: how often each kind of act was done."""

    accepted: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    acts: list[tuple[str, float, float]] = field(default_factory=list)
    resent: list[tuple[str, float]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def woke(self, integration: str | None, since: float, until: float) -> bool:
        """Whether a change or test of the integration, which wakes what waits, fell into the
        time."""
        return any(
            each == integration and began <= until and ended >= since
            for each, began, ended in self.acts
        )


class Resend(NamedTuple):
    """A delivery that somebody resent, which ends the rest of its destination: from the request
    until its next attempt, or until the delivery ended without one."""

    delivery: str
    place: tuple[str, str]  # integration and destination
    began: float
    ended: float

    def excuses(self, attempt: Any, place: tuple[str, str], waited_since: float) -> bool:
        """Whether the resend explains that an attempt came early: the first attempt of the delivery
        itself, or one at the same destination meanwhile."""
        if attempt["id"] == self.delivery:
            return bool(attempt["started"] == self.ended)
        overlaps = self.began <= attempt["started"] and waited_since <= self.ended
        return overlaps and place == self.place


@dataclass(slots=True)
class Verdict:
    """What was asked for, what arrived at the vendors, and the rows of deliveries and attempts."""

    asked: Asked
    vendors: Vendors
    watch: Watch
    record: list[Any]
    attempts: list[Any]

    @classmethod
    async def of(cls, tenant: Tenant, asked: Asked, vendors: Vendors, watch: Watch) -> "Verdict":
        record, attempts = await tenant.sql(_RECORD), await tenant.sql(_ATTEMPTS)
        return cls(asked, vendors, watch, record, attempts)

    def summary(self) -> dict[str, Any]:
        """All figures of the campaign. Those of `wrong` must all be 0."""
        late, early = self._lateness()
        wrong = {
            "lost": self._unrouted() + self._never_came(),
            "stuck": sum(row["completed_at"] is None for row in self.record),
            "unexplained": len(self._unexplained()),
            "last_word_stale": len(self._stale()),
            "alerts_left_open": len(self._open_alerts()),
            "beyond_bound": sum(row["attempts"] > _bound(row) for row in self.record),
            "sent_early": len(early),
            "sent_late": sum(each > LATE_SECONDS for each in late),
            "stood_still": int(self.watch.idle > LATE_SECONDS),
        }
        return {
            **wrong,
            "deliveries": len(self.record),
            "statuses": Counter(row["status"] for row in self.record),
            "reasons": Counter(row["reason"] for row in self.record if row["reason"]),
            "attempts": len(self.attempts),
            "classes": Counter(str(row["class"]) for row in self.attempts),
            "most_attempts": max(row["attempts"] for row in self.record),
            "bounds": {kind: most_attempts(each) for kind, each in _SCHEDULES.items()}
            | {"others": most_attempts(PROMPT)},
            "early": early[:5],
            # How often a channel did not get the last event of an entity, by type and status.
            "last_not_told": Counter(
                f"{row['channel_type']} {row['status']}"
                for row in self.record
                if _event(row)[1] == 0 and row["status"] not in _SENT
            ),
            "lateness": _quantiles(late),
            "longest_idle": round(self.watch.idle, 1),
            "idlest": self.watch.idlest,
            "longest": {name: round(value, 1) for name, value in self.watch.longest.items()},
            "hours_passed": round(self.watch.clock.total / 3_600, 1),
            "leaps": len(self.watch.clock.at),
            "timers_rung": self.watch.timers.rung,
            "weather": self.vendors.weather.fell,
            "acts": self.asked.done,
            "good": not any(wrong.values()),
        }

    def place(self, row: Any) -> str:
        name = self.asked.names.get(row["channel_id"], row["channel_type"])
        return f"{name} {row['recipient']}".strip()

    def _unrouted(self) -> int:
        """How many deliveries are missing, for all events and all channels that always existed."""
        found = {
            (row["notification_id"], self.asked.names.get(row["channel_id"])) for row in self.record
        }
        return sum(
            (id, name) not in found for id in self.asked.accepted for name in self.asked.whole
        )

    def _never_came(self) -> int:
        """How many deliveries are recorded as sent, but did not arrive at the vendor. PagerDuty's
        are not looked for: its alerts are judged by _open_alerts."""
        came = {(place, *max(_named(text))) for place, text in self._read()}
        sent = [row for row in self.record if row["status"] in _SENT]
        by_text = [row for row in sent if row["channel_type"] != "pagerduty"]
        return sum((self.place(row), *_event(row)) not in came for row in by_text)

    def _unexplained(self) -> list[Any]:
        silent = [row for row in self.record if row["status"] not in _SENT]
        return [row for row in silent if row["reason"] is None and row["last_error"] is None]

    def _read(self) -> list[tuple[str, str]]:
        return [(place, text) for place, text in self.vendors.read() if _NAMED.search(text)]

    def _newest(self) -> dict[Key, int]:
        """For each entity in each place, its newest event that is recorded as sent, as the number
        of events that follow it."""
        newest: dict[Key, int] = {}
        for row in self.record:
            if row["status"] in _SENT:
                entity, left = _event(row)
                key = self.place(row), entity
                newest[key] = min(left, newest.get(key, left))
        return newest

    def _stale(self) -> list[Key]:
        """The places and entities where the last message does not name the newest event sent."""
        last: dict[Key, int] = {}
        for place, text in self._read():
            entity, left = min(_named(text))
            last[place, entity] = left
        newest = self._newest()
        return [key for key in last.keys() & newest.keys() if last[key] > newest[key]]

    def _open_alerts(self) -> set[str]:
        """The keys of alerts whose state at PagerDuty cannot be that of their newest event sent. An
        acknowledgement proves none: of an alert that is resolved, the vendor drops it."""
        any_state = {"triggered", "acknowledged", "resolved"}
        states = {"trigger": {"triggered"}, "acknowledge": any_state}
        actions: dict[str, str] = {}
        for row in sorted(self.record, key=lambda row: str(row["notification_id"])):
            if row["channel_type"] == "pagerduty" and row["status"] in _SENT:
                actions[f"incident_INC{_event(row)[0]}"] = row["action"]
        wrong = set()
        for key, action in actions.items():
            found = [each.state for each in self.vendors.pagerduty.alerts if each.dedup_key == key]
            if any(state != "resolved" for state in found[:-1]):
                wrong.add(key)
            if found and found[-1] not in states.get(action, {"resolved"}):
                wrong.add(key)
        return wrong

    def _lateness(self) -> tuple[list[float], list[Early]]:
        """By how many seconds of real time each repeated attempt came late, without excused times;
        and the attempts that came early although nobody had asked for them."""
        clock, late, early = self.watch.clock, list[float](), list[Early]()
        of = {row["id"]: _destination(row) for row in self.record}
        resends = self._resends()
        before: Any = None
        for row in self.attempts:
            if before is not None and before["id"] == row["id"] and before["next"] is not None:
                ended = before["completed"]
                due = clock.passed(ended) + before["next"] - ended
                by = due - clock.passed(row["started"])
                place, since = of[row["id"]], before["started"]
                asked_for = self.asked.woke(place[0], since, row["started"])
                resent = any(each.excuses(row, place, since) for each in resends)
                if by > _EARLY_SECONDS and not asked_for and not resent:
                    early.append((row["id"], row["no"], before["class"], round(by, 1)))
                excused = self.watch.excused[row["id"], before["no"]]
                late.append(row["started"] - clock.real(due) - excused)
            before = row
        return late, early

    def _resends(self) -> list[Resend]:
        records = {row["id"]: row for row in self.record}
        return [self._resend(records[id], began) for id, began in self.asked.resent]

    def _resend(self, row: Any, began: float) -> Resend:
        attempts = (each["started"] for each in self.attempts if each["id"] == row["id"])
        over = row["completed_at"].timestamp() if row["completed_at"] is not None else began
        ended = min((each for each in attempts if each >= began), default=max(over, began))
        return Resend(row["id"], _destination(row), began, ended)


def _destination(row: Any) -> tuple[str, str]:
    return row["integration_id"], row["destination"]


def _named(text: str) -> list[tuple[int, int]]:
    return [(int(entity), int(left)) for entity, left in _NAMED.findall(text)]


def _event(row: Any) -> tuple[int, int]:
    [found] = _named(row["title"])
    return found


def _bound(row: Any) -> int:
    return most_attempts(_SCHEDULES.get(row["channel_type"], PROMPT))


def _quantiles(values: list[float]) -> dict[str, float]:
    found = sorted(values) or [0.0]
    at = {"median": 0.5, "p99": 0.99, "most": 1.0}
    return {name: round(found[int((len(found) - 1) * q)], 1) for name, q in at.items()}
