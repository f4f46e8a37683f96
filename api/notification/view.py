"""The JSON of notifications with their deliveries and attempts."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from uuid import UUID

from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.json_document import Json
from domain.notification.delivery import DeliveryStatus, Reason
from domain.notification.message import notes
from storage.notification import deliveries as delivery
from storage.notification.notifications import Notification
from storage.notification.rows import Delivery, WaitingDelivery

_OF_NOTIFICATION = (
    *("id", "event_id", "event_type", "title", "body", "entity_type", "entity_id", "metadata"),
    *("dedup_key", "severity", "expires_at", "created_at"),
)
_OF_DELIVERY = (
    *("id", "channel_id", "channel_type", "integration_id", "destination", "recipient", "status"),
    *("reason", "attempts", "next_attempt_at", "rests_until", "deadline_at", "last_class"),
    *("last_error", "reference", "created_at", "updated_at", "completed_at"),
)
_OF_ATTEMPT = (
    *("no", "started_at", "completed_at", "class", "maybe_sent", "status_code", "latency_ms"),
    *("error", "next_attempt_at"),
)
_FOR_OPERATORS = ("request", "response")
_camel = cache(to_camel)  # a page has thousands of values, under a few names


async def with_deliveries(connection: AsyncConnection, rows: Sequence[Notification]) -> list[Json]:
    """Notifications as lists show them: with deliveries, without attempts."""
    found: dict[UUID, list[WaitingDelivery]] = defaultdict(list)
    for each in await delivery.of_notifications(connection, [row["id"] for row in rows]):
        found[each["notification_id"]].append(each)
    return [
        _to_response(row, [_delivery_to_response(each) for each in found[row["id"]]])
        for row in rows
    ]


async def with_attempts(connection: AsyncConnection, row: Notification, is_operator: bool) -> Json:
    """One notification with its deliveries, each with its attempts as `log`.

    With `is_operator`, attempts include what was sent and what the vendor answered.
    """
    deliveries = await delivery.of_notifications(connection, [row["id"]])
    attempts: dict[UUID, list[Json]] = defaultdict(list)
    fields = (*_OF_ATTEMPT, *_FOR_OPERATORS) if is_operator else _OF_ATTEMPT
    for each in await delivery.attempts_of(connection, [each["id"] for each in deliveries]):
        attempts[each["delivery_id"]].append(_part(each, fields))
    shown = [_delivery_to_response(each) | {"log": attempts[each["id"]]} for each in deliveries]
    return _to_response(row, shown)


def without_attempts(row: Delivery) -> Json:
    """A delivery that its notification does not list any more, as it was found before."""
    return _part({**row, "rests_until": None}, _OF_DELIVERY)


def _to_response(row: Notification, deliveries: list[Json]) -> Json:
    user = row["recipient"]
    more = {"user": user, "notes": notes(row["metadata"], user), "deliveries": deliveries}
    return _part(row, _OF_NOTIFICATION) | more


def _delivery_to_response(row: WaitingDelivery) -> Json:
    """A finished delivery shows no next attempt, whatever its row still holds.

    For a waiting one the next attempt is the latest of its own time, the end of its destination's
    rest and the destination's probe. If its integration is switched off, `reason` says so.
    """
    if row["completed_at"]:
        return _part(row | {"next_attempt_at": None, "rests_until": None}, _OF_DELIVERY)
    if row["status"] != DeliveryStatus.SENDING:
        times = (row["next_attempt_at"], row["rests_until"], row["probe_at"])
        next = max((time for time in times if time is not None), default=None)
        off = Reason.INTEGRATION_OFF if row["is_on"] is False else row["reason"]
        row = row | {"next_attempt_at": next, "reason": off}
    return _part(row, _OF_DELIVERY)


def _part(row: Mapping[str, object], names: Sequence[str]) -> Json:
    shown: Json = {}
    for name in names:
        value = row[name]
        shown[_camel(name)] = str(value) if isinstance(value, UUID) else value
    return shown
