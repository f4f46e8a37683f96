"""Events that go to three vendors at once, and the receivers' and the database's records.

PagerDuty and the webhook know a delivery that comes twice, Slack does not.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from aiohttp import web

from domain.integration.outcome import FailureClass
from domain.notification.delivery import OPEN
from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import Receiver
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n
from tests.service import Tenant

UNKEYED = "slack"
_PATIENCE = 120.0  # seconds
_EXPECTED = {0, 409, 503}  # while things are down
_PLACES = 20  # Slack's channels, each of which takes one message at a time
_FREELY = {"count": 1_000, "seconds": 1}
_KEY = "R0UT1NGKEY0FTHEFAULTS00000000001"


class Late(Receiver):
    """A receiver that acts on a request at once and delays the answer."""

    async def waiting(self) -> None:
        """Wait until the answer may be sent."""

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        response = await super().answer(request, body)
        await self.waiting()
        return response


@dataclass(frozen=True, slots=True)
class Vendors:
    """The receivers of a tenant's events, in this process; some may be unconnected."""

    slack: SlackReceiver
    webhook: WebhookReceiver
    pagerduty: PagerDutyReceiver | None = None

    @property
    def all(self) -> list[Receiver]:
        return [each for each in (self.slack, self.webhook, self.pagerduty) if each is not None]

    async def connect(self, tenant: Tenant) -> None:
        """An integration and a default channel for each."""
        for receiver in self.all:
            made = await n.integration(tenant, receiver.kind, _config(receiver))
            await n.channel(tenant, made, receiver.kind)

    def posts(self) -> Counter[str]:
        """How often Slack posted each delivery."""
        taken = (each for each in self.slack.received if each.path == "/api/chat.postMessage")
        return Counter(json.loads(each.body)["client_msg_id"] for each in taken if each.status)


def _config(receiver: Receiver) -> dict[str, Any]:
    match receiver:
        case SlackReceiver():
            channels = {f"incident.kind{place}": f"#place-{place}" for place in range(_PLACES)}
            return {
                "botToken": EXAMPLE_TOKEN,
                "defaultChannel": "#elsewhere",
                "channelMap": channels,
                "baseUrl": f"{receiver.url}/api",
                "rateLimit": _FREELY,
            }
        case PagerDutyReceiver():
            hosts = {"baseUrl": receiver.url, "restBaseUrl": receiver.url}
            return {"integrationKey": _KEY, "rateLimit": _FREELY, **hosts}
    return {"url": f"{receiver.url}/hook", "secret": n.SECRET}


def event(number: int) -> dict[str, Any]:
    """An event without an entity: its alert at PagerDuty goes by the notification's id."""
    place = number % _PLACES
    return {"eventType": f"incident.kind{place}", "title": f"number {number}", "body": "It burns"}


@dataclass(slots=True)
class Client:
    """The platform: it asks until it has a 202, under one Idempotency-Key. `refusals` counts the
    answers that were others, and requests without an answer as 0."""

    tenant: Tenant
    accepted: list[str] = field(default_factory=list)  # the ids of notifications
    refusals: Counter[int] = field(default_factory=Counter)

    async def notify(self, *numbers: int) -> list[str]:
        """Post one event or a list; their ids. Raises TimeoutError if they are not accepted."""
        body = [event(number) for number in numbers] if len(numbers) > 1 else event(*numbers)
        headers = self.tenant.headers | {"Idempotency-Key": str(uuid4())}
        async with asyncio.timeout(_PATIENCE):
            while (response := await self._post(body, headers)) is None:
                await asyncio.sleep(0.2)
        ids = [each["id"] for each in response.json()["data"]]
        self.accepted += ids
        return ids

    async def _post(self, body: Any, headers: dict[str, str]) -> httpx.Response | None:
        response = None
        with suppress(httpx.TransportError):
            http = self.tenant.service.http
            response = await http.post("/v1/notifications", json=body, headers=headers)
            if response.status_code == 202:
                return response
        self.refusals[0 if response is None else response.status_code] += 1
        return None

    @property
    def was_refused(self) -> bool:
        """Whether an answer came that no crash explains."""
        return not self.refusals.keys() <= _EXPECTED


@dataclass(frozen=True, slots=True)
class Attempt:
    """`ended`: when its end was recorded, or when its loss was noticed."""

    delivery: str
    kind: str
    started: float
    ended: float
    failure: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """What the database says of a tenant's deliveries: rows of id, notification, kind, status,
    created and completed; and their attempts in order."""

    deliveries: list[Any]
    attempts: list[Attempt]

    def in_flight(self, at: float) -> int:
        """Messages to Slack that were being sent at that time."""
        messages = (each for each in self.attempts if each.kind == UNKEYED)
        return sum(each.started <= at < each.ended for each in messages)

    def settled(self, at: float) -> float:
        """When all deliveries that existed at that time had ended."""
        before = [each for each in self.deliveries if each["created_at"].timestamp() <= at]
        return max((_seconds(each["completed_at"]) for each in before), default=at)


async def recorded(tenant: Tenant) -> Record:
    deliveries = await tenant.sql(
        "select id, notification_id, channel_type as kind, status, created_at, completed_at"
        " from notification_deliveries order by id"
    )
    attempts = await tenant.sql(
        "select a.delivery_id, d.channel_type, a.started_at, a.completed_at, a.class"
        " from delivery_attempts a join notification_deliveries d on d.id = a.delivery_id"
        " order by a.delivery_id, a.no"
    )
    return Record(
        deliveries,
        [Attempt(str(id), kind, _seconds(a), _seconds(b), c) for id, kind, a, b, c in attempts],
    )


def _seconds(at: datetime | None) -> float:
    """Seconds of an end time; infinite if there is none yet."""
    return float("inf") if at is None else at.timestamp()


async def over(tenant: Tenant, within: float) -> bool:
    """Wait until no delivery is open; False if one still is after `within` seconds."""
    left = (
        "select (select count(*) from notification_deliveries where completed_at is null)"
        " + (select count(*) from notifications where routed_at is null)"
        " + (select count(*) from public.outbox where tenant_id = $1)"
    )
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while True:
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    [[count]] = await tenant.sql(left, tenant.id)
                    if count == 0:
                        return True
                await asyncio.sleep(0.2)
    return False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a campaign ended; `is_good` names what must be empty, or 0. `lost` counts by vendor what
    was accepted and never came; `objects` the notifications of which a keyed vendor made another
    number than one."""

    accepted: int
    delivered: int
    unended: int
    unasked: int
    lost: dict[str, int]
    objects: dict[str, int]
    duplicates: int
    unexplained: int
    unknown: dict[str, int]
    statuses: dict[str, int]

    @property
    def is_good(self) -> bool:
        wrong = (self.unended, self.unasked, self.unexplained)
        return not any((*wrong, *self.lost.values(), *self.objects.values()))


def judged(accepted: Collection[str], vendors: Vendors, record: Record) -> Verdict:
    """Compare accepted events, recorded deliveries and received messages."""
    posts = vendors.posts()
    unknown = Counter(
        each.delivery for each in record.attempts if each.failure == FailureClass.UNKNOWN
    )
    statuses = Counter(each["status"] for each in record.deliveries)
    made = {kind: Counter(ids) for kind, ids in _objects(vendors, record)}
    idempotent = {kind: ids for kind, ids in made.items() if kind != UNKEYED}
    repeated = Counter({id: times - 1 for id, times in posts.items() if times > 1})
    return Verdict(
        accepted=len(accepted),
        delivered=statuses["delivered"],
        unended=sum(statuses[each] for each in OPEN),
        unasked=len({str(each["notification_id"]) for each in record.deliveries} - set(accepted)),
        lost={kind: len(set(accepted) - ids.keys()) for kind, ids in made.items()},
        objects={
            kind: sum(times != 1 for times in ids.values()) for kind, ids in idempotent.items()
        },
        duplicates=repeated.total(),
        unexplained=(repeated - unknown).total(),
        unknown=dict(
            Counter(each.kind for each in record.attempts if each.failure == FailureClass.UNKNOWN)
        ),
        statuses=dict(statuses),
    )


def _objects(vendors: Vendors, record: Record) -> Iterator[tuple[str, list[str]]]:
    """The notifications of all objects at each vendor, one entry per object."""
    of_delivery = {str(each["id"]): str(each["notification_id"]) for each in record.deliveries}
    yield UNKEYED, [of_delivery[id] for id in vendors.posts()]
    # A receiver of webhooks recognises repeated ids, so it makes one object of each.
    yield vendors.webhook.kind, [each["data"]["notificationId"] for each in vendors.webhook.events]
    if vendors.pagerduty is not None:
        yield vendors.pagerduty.kind, [each.dedup_key for each in vendors.pagerduty.alerts]
