"""Sends keep to each destination's rate, and pause for as long as it asks."""

import asyncio
import json
import math
import time
from email.utils import formatdate
from itertools import pairwise
from typing import Any

from receivers.receiver import Received, Reply
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n
from tests.service import Tenant

FIVE_A_SECOND = {"count": 5, "seconds": 1}
TWO_A_SECOND = {"count": 2, "seconds": 1}


def of(severity: str, **changed: Any) -> dict[str, Any]:
    return n.EVENT | {"title": severity, "metadata": {"severity": severity}} | changed


def gaps(received: list[Received]) -> list[float]:
    return [after.at - before.at for before, after in pairwise(received)]


def titles(receiver: WebhookReceiver) -> list[str]:
    return [json.loads(each.body)["data"]["title"] for each in receiver.received]


async def slack(tenant: Tenant, receiver: SlackReceiver, **config: Any) -> None:
    values = {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#ops", "rateLimit": TWO_A_SECOND}
    place = {"baseUrl": f"{receiver.url}/api"}
    made = await n.integration(tenant, "slack", values | place | config)
    await n.channel(tenant, made, "slack")


def texts(receiver: SlackReceiver) -> list[str]:
    return [each["message"]["text"] for each in receiver.messages]


async def test_what_is_sent_keeps_its_distance_and_goes_by_severity(tenant: Tenant) -> None:
    async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
        await n.webhook(tenant, receiver, rateLimit=FIVE_A_SECOND)
        mixed = ("info", "warning", "critical", "info", "error")
        await n.notify(tenant, *(of(each) for each in mixed))
        await receiver.until(lambda received: len(received) >= 5)
    assert min(gaps(receiver.received)) >= 0.2
    assert titles(receiver) == ["critical", "error", "warning", "info", "info"]


async def test_requests_at_the_same_time_share_a_rate(tenant: Tenant) -> None:
    async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
        await n.webhook(tenant, receiver, rateLimit=FIVE_A_SECOND)
        await asyncio.gather(*(n.notify(tenant, n.EVENT, n.EVENT) for _ in range(4)))
        await receiver.until(lambda received: len(received) >= 8)
    assert min(gaps(receiver.received)) >= 0.2
    assert receiver.duplicates == 0


async def test_what_is_critical_overtakes_what_waits(tenant: Tenant) -> None:
    async with n.receiving(tenant, SlackReceiver(per_second=2)) as receiver:
        await slack(tenant, receiver)
        await n.notify(tenant, *(of("info") for _ in range(6)))
        await receiver.until(lambda received: len(received) >= 2)
        await n.notify(tenant, of("critical", title="All disks are full"))
        before = len(receiver.messages)
        await receiver.until(lambda received: len(received) >= 7)
    [place] = [place for place, text in enumerate(texts(receiver)) if "All disks are full" in text]
    # One had its slot already, and one more may have got one meanwhile.
    assert place <= before + 2 <= 5
    assert {each.status for each in receiver.received} == {200}


async def test_each_channel_has_a_rate_of_its_own(tenant: Tenant) -> None:
    async with n.receiving(tenant, SlackReceiver(per_second=2)) as receiver:
        await slack(tenant, receiver, channelMap={"problem.*": "#problems"})
        problem = n.EVENT | {"eventType": "problem.created"}
        await n.notify(tenant, n.EVENT, problem, n.EVENT, problem, n.EVENT, problem)
        await receiver.until(lambda received: len(received) >= 6)
    posted = [each["channel"] for each in receiver.messages]
    # Neither channel waits for the other: the first messages of both come before any second one.
    assert [set(posted[at : at + 2]) for at in (0, 2, 4)] == [{"#ops", "#problems"}] * 3
    assert {each.status for each in receiver.received} == {200}


async def test_a_date_is_waited_for(tenant: Tenant) -> None:
    async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
        date = math.ceil(time.time()) + 2
        receiver.told.append(Reply(429, headers={"Retry-After": formatdate(date, usegmt=True)}))
        await n.webhook(tenant, receiver)
        [id] = await n.notify(tenant)
        [delivery] = await n.deliveries(tenant, id)
    assert date <= receiver.received[1].at <= date + 2
    assert [each["class"] for each in delivery["log"]] == ["throttled", None]


async def test_nothing_is_sent_to_a_destination_that_asked_to_wait(tenant: Tenant) -> None:
    """The latest of several times counts, also for deliveries that were not told to wait."""
    async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as receiver:
        receiver.told += [Reply(429, headers={"Retry-After": wait}) for wait in ("1", "3", "2")]
        await n.webhook(tenant, receiver, maxInFlight=3)
        await n.notify(tenant, *[n.EVENT] * 5)
        await receiver.until(lambda received: len(received) >= 3)
        await n.notify(tenant, of("critical"))
        await receiver.until(lambda received: len(received) >= 9)
    first, _, last, *others = [each.at for each in receiver.received]
    waits = [round(each - first, 2) for each in others]
    assert all(first + 3 <= each <= last + 5 for each in others), (waits, round(last - first, 2))


async def test_slack_is_left_alone_when_it_says_so(tenant: Tenant) -> None:
    limited = Reply(429, '{"ok":false,"error":"ratelimited"}', {"Retry-After": "2"})
    async with n.receiving(tenant, SlackReceiver()) as receiver:
        receiver.told.append(limited)
        await slack(tenant, receiver)
        first, second = await n.notify(tenant, n.EVENT, n.EVENT)
        [delivery] = await n.deliveries(tenant, first)
        await n.deliveries(tenant, second)
    asked, *others = [each.at for each in receiver.received]
    assert asked + 2 <= min(others) <= asked + 4
    assert [(each["class"], each["statusCode"]) for each in delivery["log"]] == [
        ("throttled", 429),
        (None, 200),
    ]
