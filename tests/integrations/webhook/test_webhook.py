"""Signed webhooks: requests, verification, the meaning of answers, rotation of secrets."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix
from hypothesis import given
from pydantic import SecretStr, ValidationError

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.notification.event import METADATA_BYTES
from domain.notification.message import Latest, Message
from egress.client import egress
from integrations.channel import Outgoing
from integrations.text import compact
from integrations.webhook.channel import Webhook, WebhookConfig, completed, rotated
from integrations.webhook.signing import new_secret
from receivers.receiver import Received, Reply, serving
from receivers.webhook import EXAMPLE_SECRET, WebhookReceiver
from tests.integrations.examples import DELIVERY, MESSAGES, message, outgoing
from tests.integrations.wire import listening, loopback

CHANNEL = Webhook()
NOW = datetime.now(UTC)


def event(said: Message) -> dict[str, Any]:
    return CHANNEL.request(outgoing("generic_webhook", "https://hooks.example", said))


async def send(receiver: WebhookReceiver, said: Message | None = None, **config: Any) -> Receipt:
    going = outgoing("generic_webhook", receiver.url, said, **config)
    async with egress(receiver.allowed) as out:
        return await CHANNEL.deliver(going, CHANNEL.request(going), out)


async def failure(receiver: WebhookReceiver, **config: Any) -> Failure:
    with pytest.raises(DeliveryFailed) as raised:
        await send(receiver, **config)
    return raised.value.failure


async def checks_of(receiver: WebhookReceiver, **config: Any) -> list[Check]:
    going: Outgoing[WebhookConfig] = outgoing("generic_webhook", receiver.url, **config)
    async with egress(receiver.allowed) as out:
        return await CHANNEL.test(going.config, out)


def is_verified(secret: str, received: Received) -> bool:
    headers = {name.lower(): value for name, value in received.headers.items()}
    try:
        standardwebhooks.Webhook(secret).verify(received.body, headers)
        svix.Webhook(secret).verify(received.body, headers)
    except (standardwebhooks.WebhookVerificationError, svix.WebhookVerificationError):
        return False
    return True


async def test_a_receiver_gets_the_event_and_can_verify_it() -> None:
    receiver = WebhookReceiver()
    async with serving(receiver):
        receipt = await send(receiver)
    assert (receipt.confirmed, receipt.code) == (True, 204)
    [received] = receiver.received
    assert is_verified(EXAMPLE_SECRET, received)
    assert not is_verified(new_secret(), received)
    assert received.path == "/hooks/firelater?token=url-token-of-the-example"
    headers = {name.lower(): value for name, value in received.headers.items()}
    assert headers["x-api-key"] == "gateway-key-of-the-example"
    assert headers["content-type"] == "application/json"
    assert receiver.events == [
        {
            "type": "incident.created",
            "timestamp": "2026-11-23T10:00:00+00:00",
            "data": {
                "id": DELIVERY,
                "notificationId": message().notification_id,
                "eventType": "incident.created",
                "title": "Database is slow",
                "body": "Queries take 20 s.\n*Who* can <look>?",
                "severity": "error",
                "action": "trigger",
                "entityType": "incident",
                "entityId": "INC-1042",
                "url": "https://firelater.example/incidents/INC-1042",
                "metadata": message().extra,
            },
        }
    ]


async def test_a_delivery_that_comes_again_is_known_by_its_id() -> None:
    receiver = WebhookReceiver()
    async with serving(receiver):
        await send(receiver)
        await send(receiver)
        await send(receiver, message(delivery_id="another"))
    assert receiver.seen == {DELIVERY: 2, "another": 1}
    assert receiver.duplicates == 1


@given(MESSAGES)
def test_events_stay_below_20_kb_and_say_what_was_cut(said: Message) -> None:
    made = event(said)
    assert len(compact(made)) < 20_000
    whole = {"body": said.body, "metadata": said.extra, "url": said.url}
    is_whole = all(made["data"][name] == part for name, part in whole.items())
    assert made["data"].get("truncated", False) is not is_whole
    json.dumps(made, allow_nan=False)


def test_a_long_body_gives_way_first() -> None:
    content = event(message(body="ü\x01" * 10_000))["data"]
    assert content["truncated"] is True
    assert content["body"].endswith("…")
    assert content["metadata"] == message().extra
    assert 19_980 < len(compact(event(message(body="ü\x01" * 10_000)))) < 20_000


def test_metadata_gives_way_next_and_a_huge_link_last() -> None:
    metadata = {"note": "x" * (METADATA_BYTES - 20)}
    content = event(message(title="\x01" * 1_000, body="kept", extra=metadata))["data"]
    assert (content["body"], content["metadata"]) == ("kept", {})
    url = "https://a.example/" + "x" * (METADATA_BYTES - 40)
    content = event(message(title="\x01" * 1_000, url=url, extra={"url": url}))["data"]
    assert (content["url"], content["metadata"]) == (None, {})
    assert content["body"] == message().body


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
async def test_any_2xx_is_success(status: int) -> None:
    receiver = WebhookReceiver(status=status)
    async with serving(receiver):
        receipt = await send(receiver)
    assert (receipt.confirmed, receipt.code) == (True, status)


CUT = b"Content-Length: 10\r\n\r\nno"


@pytest.mark.parametrize("is_silent", [False, True], ids=["breaks off", "never ends"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None),
        (202, None),
        (404, FailureClass.TRANSIENT),
        (410, FailureClass.PERMANENT),
        (429, FailureClass.THROTTLED),
        (503, FailureClass.TRANSIENT),
    ],
)
async def test_the_status_counts_whatever_becomes_of_the_body(
    status: int, kind: FailureClass | None, is_silent: bool
) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{")
        writer.write(b"HTTP/1.1 %d X\r\n%s" % (status, CUT))
        await writer.drain()
        if is_silent:
            await reader.read(-1)  # until the client goes

    async with listening(say) as port, egress(loopback(port), total=0.5) as out:
        going = outgoing("generic_webhook", f"http://127.0.0.1:{port}")
        request = CHANNEL.request(going)
        if kind is None:
            assert (await CHANNEL.deliver(going, request, out)).code == status
        else:
            with pytest.raises(DeliveryFailed) as raised:
                await CHANNEL.deliver(going, request, out)
            found = raised.value.failure
            assert (found.kind, found.status, found.endpoint_gone) == (kind, status, status == 410)


async def test_redirects_are_not_followed() -> None:
    receiver = WebhookReceiver()
    async with serving(receiver):
        receiver.told.append(Reply(308, headers={"Location": f"{receiver.url}/elsewhere"}))
        found = await failure(receiver)
    assert (found.kind, found.status, len(receiver.received)) == (FailureClass.TRANSIENT, 308, 1)


@pytest.mark.parametrize("status", [300, 304, 307, 400, 402, 404, 405, 409, 413, 418, 422, 451])
async def test_what_a_deployment_answers_is_tried_again(status: int) -> None:
    receiver = WebhookReceiver()
    async with serving(receiver):
        receiver.told.append(Reply(status))
        found = await failure(receiver)
        assert (found.kind, found.endpoint_gone) == (FailureClass.TRANSIENT, False)
        assert (await send(receiver)).confirmed


@pytest.mark.parametrize("status", [401, 403])
async def test_who_is_not_let_in_waits_for_the_config(status: int) -> None:
    async with serving(WebhookReceiver(status=status)) as receiver:
        assert isinstance(receiver, WebhookReceiver)
        assert (await failure(receiver)).kind is FailureClass.MISCONFIGURED


def test_what_comes_late_or_perhaps_again_is_told_in_members_of_its_own() -> None:
    latest = Latest("incident.resolved", "All is well", datetime(2026, 11, 23, 11, tzinfo=UTC))
    content = event(message(latest=latest, repeated=True))["data"]
    assert content["late"] == {
        "latestEventType": "incident.resolved",
        "latestTitle": "All is well",
        "latestAt": "2026-11-23T11:00:00+00:00",
    }
    assert content["repeated"] is True
    assert not {"late", "repeated"} & event(message())["data"].keys()


async def test_410_wants_no_more() -> None:
    receiver = WebhookReceiver(status=410)
    async with serving(receiver):
        found = await failure(receiver)
    assert (found.kind, found.endpoint_gone) == (FailureClass.PERMANENT, True)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_kept_to(status: int) -> None:
    receiver = WebhookReceiver()
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    receiver.told.extend(Reply(status, headers={"Retry-After": each}) for each in ("17", at))
    async with serving(receiver):
        assert (await failure(receiver)).retry_after == 17
        assert 80 < ((await failure(receiver)).retry_after or 0) <= 90


async def test_what_is_rotated_signs_for_a_day_beside_the_new_secret() -> None:
    config = rotated({"url": "https://a.example", "secret": EXAMPLE_SECRET}, NOW)
    old, new = EXAMPLE_SECRET, config["secret"]
    assert old != new
    assert list(config["previousSecrets"].values()) == [old]
    receiver = WebhookReceiver(old)
    async with serving(receiver):
        await send(receiver, secret=new, previousSecrets=config["previousSecrets"])
        [received] = receiver.received
        assert is_verified(old, received)
        assert is_verified(new, received)
        ended = {(NOW - timedelta(seconds=1)).isoformat(): old}
        found = await failure(receiver, secret=new, previousSecrets=ended)
    assert found.status == 401


async def test_the_page_shows_how_to_verify() -> None:
    page = (Path(__file__).parents[3] / "docs/notification.md").read_text()
    shown: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], shown)
    receiver = WebhookReceiver()
    async with serving(receiver):
        await send(receiver)
        [received] = receiver.received
    is_genuine = shown["is_genuine"]
    assert is_genuine(EXAMPLE_SECRET, received.headers, received.body)
    assert not is_genuine(new_secret(), received.headers, received.body)
    assert not is_genuine(EXAMPLE_SECRET, received.headers, received.body + b" ")


def test_secrets_rotated_twice_in_a_day_all_keep_their_day() -> None:
    config: dict[str, Any] = {"url": "https://a.example/x", "secret": EXAMPLE_SECRET}
    hours = [NOW + timedelta(hours=hour) for hour in (0, 1, 30)]
    second = rotated(rotated(config, hours[0]), hours[1])
    assert len(second["previousSecrets"]) == 2
    third = rotated(second, hours[2])
    assert list(third["previousSecrets"].values()) == [second["secret"]]
    made = WebhookConfig.model_validate(third)
    assert [end for end, _ in made.keys][1:] == [(NOW + timedelta(hours=54)).timestamp()]
    for minute in range(10):
        third = rotated(third, hours[2] + timedelta(minutes=minute))
    assert len(WebhookConfig.model_validate(third).keys) == 5


def test_a_secret_is_made_where_none_is_given() -> None:
    given = {"url": "https://a.example"}
    made = completed(given)
    assert WebhookConfig.model_validate(made).keys
    assert completed(made) == made
    assert completed(given)["secret"] != made["secret"]
    assert "secret" not in given


async def test_nothing_is_sent_without_a_secret() -> None:
    receiver = WebhookReceiver()
    async with serving(receiver):
        found = await failure(receiver, secret=None)
    assert (found.kind, receiver.received) == (FailureClass.MISCONFIGURED, [])


async def test_a_test_is_signed_and_says_what_it_proves() -> None:
    receiver = WebhookReceiver()
    async with serving(receiver):
        [check] = await checks_of(receiver)
        assert check.ok
        assert "Not proved: that it checks signatures" in check.detail
        assert receiver.events[0]["type"] == "firelater.test"
        [check] = await checks_of(receiver, secret=new_secret())
        assert (check.ok, check.detail) == (False, "the receiver answered 401")
    [check] = await checks_of(receiver)
    assert not check.ok


BASE = {"url": "https://a.example", "secret": EXAMPLE_SECRET}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "b.example"},
        {"content-LENGTH": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "close"},
        {"Webhook-Id": "1"},
        {"webhook-anything": "1"},
        {"User-Agent": "x"},
        {"Content-Type": "text/plain"},
        {"Proxy-Authorization": "x"},
        {"X-A": "1\r\nX-B: 2"},
        {"X-A": "1\n2"},
        {"X-A\r\nX-B": "1"},
        {"X A": "1"},
        {"": "1"},
        {"X-Ä": "1"},
        {"X-A": "ü"},
        {"X-A": ""},
        {"X-A": "x" * 1_001},
        {"X-A": "1", "x-a": "2"},
        {f"X-{n}": "1" for n in range(21)},
    ],
    ids=str,
)
def test_headers_that_would_change_the_request_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as raised:
        WebhookConfig.model_validate({**BASE, "headers": headers})
    assert [error["loc"][0] for error in raised.value.errors()] == ["headers"]


def test_headers_within_bounds_are_taken() -> None:
    headers = {f"X-{n}": "a b" * 300 for n in range(19)} | {"Authorization": "Bearer x.y"}
    made = WebhookConfig.model_validate({**BASE, "headers": headers})
    assert made.opened_headers == {"content-type": "application/json", **headers}
    assert all(isinstance(value, SecretStr) for value in made.headers.values())


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "https://a.example/" + "x" * 2_048}, "url"),
        (BASE | {"secret": "whsec_c2hvcnQ="}, "secret"),
        (BASE | {"secret": "a-password-of-their-own-choice"}, "secret"),
        (BASE | {"secret": EXAMPLE_SECRET.removeprefix("whsec_")}, "secret"),
        (BASE | {"previousSecrets": {"tomorrow": EXAMPLE_SECRET}}, "previousSecrets"),
        (BASE | {"previousSecrets": {"2026-11-23T10:00:00": EXAMPLE_SECRET}}, "previousSecrets"),
        (BASE | {"token": "x"}, "token"),
    ],
)
def test_configs_that_cannot_work_are_refused(config: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as raised:
        WebhookConfig.model_validate(config)
    assert [error["loc"][0] for error in raised.value.errors()] == [place]
    assert "whsec_" not in str(raised.value).replace("is whsec_", "")
