"""PagerDuty: the requests to its Events API, the meaning of its answers, its test."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import SecretStr, ValidationError

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.notification.event import Action, Severity
from domain.notification.message import Message
from egress.client import egress
from integrations.channel import ChannelOptions, Outgoing
from integrations.pagerduty.channel import PagerDuty, dedup_key
from integrations.pagerduty.config import PagerDutyConfig
from integrations.text import compact
from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import Reply, serving
from tests.integrations.examples import MESSAGES, message, outgoing

KEY = "R0UT1NGKEY0FTHEEXAMPLE0000000001"
CHANNEL = PagerDuty()


def event(said: Message, **config: Any) -> dict[str, Any]:
    return CHANNEL.request(outgoing("pagerduty", "https://events.example", said, **config))


async def send(receiver: PagerDutyReceiver, said: Message) -> Receipt:
    going = outgoing("pagerduty", receiver.url, said)
    async with egress(receiver.allowed) as out:
        return await CHANNEL.deliver(going, CHANNEL.request(going), out)


async def failure(receiver: PagerDutyReceiver, said: Message) -> Failure:
    with pytest.raises(DeliveryFailed) as raised:
        await send(receiver, said)
    return raised.value.failure


async def checks_of(receiver: PagerDutyReceiver, **config: Any) -> dict[str, Check]:
    going: Outgoing[PagerDutyConfig] = outgoing("pagerduty", receiver.url, **config)
    async with egress(receiver.allowed) as out:
        return {check.name: check for check in await CHANNEL.test(going.config, out)}


def test_a_trigger_says_all_that_is_known() -> None:
    assert event(message()) == {
        "event_action": "trigger",
        "dedup_key": "incident_INC-1042",
        "payload": {
            "summary": "Database is slow",
            "source": "FireLater ITSM",
            "severity": "error",
            "timestamp": "2026-11-23T10:00:00+00:00",
            "component": "integrations",
            "group": "platform",
            "class": "incident.created",
            "custom_details": {
                "event_type": "incident.created",
                "entity_type": "incident",
                "entity_id": "INC-1042",
                "body": "Queries take 20 s.\n*Who* can <look>?",
                **message().extra,
            },
        },
        "client": "FireLater",
        "client_url": "https://firelater.example/incidents/INC-1042",
        "links": [
            {"href": "https://firelater.example/incidents/INC-1042", "text": "View in FireLater"}
        ],
    }


def test_the_config_names_source_and_class() -> None:
    payload = event(message(), source="itsm-eu", **{"class": "ticket"})["payload"]
    assert (payload["source"], payload["class"]) == ("itsm-eu", "ticket")


def test_the_entity_and_the_event_say_what_no_config_does() -> None:
    going = Outgoing(message(), PagerDutyConfig(integration_key=SecretStr(KEY)), ChannelOptions())
    payload = CHANNEL.request(going)["payload"]
    assert (payload["component"], payload["group"]) == ("incident", "incident.created")
    plain = message(entity_type=None, entity_id=None)
    payload = CHANNEL.request(replace(going, message=plain))["payload"]
    assert payload.keys() >= {"group", "class"}
    assert "component" not in payload
    assert payload["custom_details"].keys().isdisjoint({"entity_type", "user_name"})


def test_details_are_flat_and_the_metadata_has_the_last_word() -> None:
    extra = {"host": "db-1", "load": 0.5, "tags": ["eu"], "entity_id": "INC-7", "none": None}
    said = message(recipient="jo@acme.example", user_name="Jo", body="", extra=extra)
    assert event(said)["payload"]["custom_details"] == {
        "event_type": "incident.created",
        "entity_type": "incident",
        "user_name": "Jo",
        "user_email": "jo@acme.example",
        **extra,
    }


@pytest.mark.parametrize("name", ["defaultSeverity", "severity"])
def test_the_default_severity_has_two_names(name: str) -> None:
    config = PagerDutyConfig.model_validate({"integrationKey": KEY, name: "P2"})
    assert (config.severity, config.model_dump(by_alias=True)["defaultSeverity"]) == ("error",) * 2


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.RESOLVE])
def test_what_follows_a_trigger_names_its_alert_only(action: Action) -> None:
    assert event(message(action=action)) == {
        "event_action": str(action),
        "dedup_key": "incident_INC-1042",
    }


@pytest.mark.parametrize("severity", Severity)
def test_severities_are_theirs(severity: Severity) -> None:
    assert event(message(severity=severity))["payload"]["severity"] == str(severity)


@given(MESSAGES)
def test_every_event_is_one_that_pagerduty_takes(shared_dir: Path, said: Message) -> None:
    path = shared_dir / "specs/overlays/pagerduty-events-v2.strict.schema.json"
    whole = {"routing_key": KEY, **event(said)}
    Draft202012Validator(json.loads(path.read_text()), format_checker=FormatChecker()).validate(
        whole
    )
    assert len(compact(whole)) <= 512_000
    json.dumps(whole, allow_nan=False)


@given(MESSAGES)
def test_the_receiver_takes_every_event(said: Message) -> None:
    answer = PagerDutyReceiver().enqueue(compact({"routing_key": KEY, **event(said)}))
    assert (answer.status, answer.body.get("errors")) == (202, None)


def test_a_body_too_large_is_cut_and_the_rest_is_whole() -> None:
    for text in ("\x01" * 100_000, "😀" * 100_000 + "\x01" * 100_000):
        made = event(message(body=text))
        details = made["payload"]["custom_details"]
        assert details["body"].endswith("…")
        assert details.items() >= message().extra.items()
        assert 511_900 < len(compact({"routing_key": KEY, **made})) <= 512_000


def test_a_long_title_is_cut_and_a_blank_one_named_by_its_event() -> None:
    assert event(message(title="x" * 1_025))["payload"]["summary"] == "x" * 1_023 + "…"
    assert event(message(title="x" * 1_024))["payload"]["summary"] == "x" * 1_024
    assert event(message(title=" \n"))["payload"]["summary"] == "incident.created"


@given(st.lists(st.text(max_size=300), unique=True, max_size=20))
def test_dedup_keys_fit_and_stay_apart(endings: list[str]) -> None:
    keys = [*endings, *("k" * 300 + ending for ending in endings)]
    made = {dedup_key(key) for key in keys}
    assert len(made) == len(set(keys))
    assert all(len(key) <= 255 for key in made)
    assert all(dedup_key(key) == key for key in keys if len(key) <= 255)


def test_a_link_is_one_whatever_it_holds() -> None:
    made = event(message(url='https://a.example/ü?q="<x>"&p=%2F#é'))
    assert made["client_url"] == "https://a.example/%C3%BC?q=%22%3Cx%3E%22&p=%2F#%C3%A9"


async def test_the_key_is_sent_but_not_recorded() -> None:
    receiver = PagerDutyReceiver(keys=frozenset({KEY}))
    async with serving(receiver):
        receipt = await send(receiver, message())
    assert receipt.confirmed
    assert receipt.reference == {"dedup_key": "incident_INC-1042"}
    assert json.loads(receiver.received[0].body)["routing_key"] == KEY
    assert KEY not in json.dumps(event(message()))


async def test_an_alert_lives_from_trigger_to_resolve() -> None:
    receiver = PagerDutyReceiver()
    async with serving(receiver):
        for action in ("trigger", "trigger", "acknowledge"):
            await send(receiver, message(action=Action(action)))
        [alert] = receiver.alerts
        assert (alert.state, alert.triggers) == ("acknowledged", 2)
        await send(receiver, message(action=Action.RESOLVE))
        assert alert.state == "resolved"
        await send(receiver, message(action=Action.RESOLVE))
        assert [each["event_action"] for each in receiver.dropped] == ["resolve"]
        await send(receiver, message())
    assert [each.state for each in receiver.alerts] == ["resolved", "triggered"]


async def test_202_without_its_words_is_accepted_no_more() -> None:
    receiver = PagerDutyReceiver()
    receiver.told.extend([Reply(202), Reply(202, "[]"), Reply(202, '{"status": "queued"}')])
    async with serving(receiver):
        for _ in range(3):
            assert not (await send(receiver, message())).confirmed


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("Invalid routing key", FailureClass.MISCONFIGURED),
        (
            "Length of 'routing_key' is incorrect (should be 32 characters)",
            FailureClass.MISCONFIGURED,
        ),
        ("'routing_key' is missing or blank", FailureClass.MISCONFIGURED),
        ("'payload.summary' is missing or blank", FailureClass.PERMANENT),
        ("'dedup_key' is invalid", FailureClass.PERMANENT),
    ],
)
async def test_400_says_whether_the_key_or_the_event_is_wrong(
    reason: str, kind: FailureClass
) -> None:
    receiver = PagerDutyReceiver()
    receiver.always = Reply(400, json.dumps({"status": "invalid event", "errors": [reason]}))
    async with serving(receiver):
        found = await failure(receiver, message())
    assert (found.kind, found.status) == (kind, 400)
    assert found.detail == f"PagerDuty answered 400: {reason}"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_takes_the_event_and_words_confirm_it(status: int) -> None:
    receiver = PagerDutyReceiver()
    async with serving(receiver):
        receiver.told.append(Reply(status))
        assert not (await send(receiver, message())).confirmed
        if status != 204:
            receiver.told.append(Reply(status, '{"status": "success"}'))
            assert (await send(receiver, message())).confirmed


@pytest.mark.parametrize(("status", "body"), [(200, "<html>Sign in</html>"), (302, ""), (404, "")])
async def test_what_stands_before_pagerduty_is_not_its_word(status: int, body: str) -> None:
    receiver = PagerDutyReceiver()
    receiver.always = Reply(status, body)
    async with serving(receiver):
        assert (await failure(receiver, message())).kind is FailureClass.TRANSIENT


@pytest.mark.parametrize(
    ("title", "summary"),
    [
        ("Two\nlines\tof it", "Two lines of it"),
        ("a\u202egnp.exe\x00\x1b[31m", "agnp.exe [31m"),
        ("\u2066x\u2069\u2028y", "x y"),
    ],
)
def test_a_summary_is_one_line_and_does_not_deceive(title: str, summary: str) -> None:
    assert event(message(title=title))["payload"]["summary"] == summary


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://u@a.example", "ftp://a/x", "x"])
def test_what_is_no_link_is_none_here(url: str) -> None:
    assert not {"client_url", "links"} & event(message(url=url)).keys()


async def test_an_error_that_quotes_the_key_does_not_pass_it_on() -> None:
    receiver = PagerDutyReceiver()
    receiver.always = Reply(400, json.dumps({"errors": [f"no such key: {KEY}{'x' * 1_000}"]}))
    async with serving(receiver):
        detail = (await failure(receiver, message())).detail
    assert detail.startswith("PagerDuty answered 400: no such key: [redacted]xxx")
    assert len(detail) == 500


async def test_more_than_the_limit_is_throttled() -> None:
    receiver = PagerDutyReceiver(per_minute=2)
    async with serving(receiver):
        await send(receiver, message())
        await send(receiver, message())
        assert (await failure(receiver, message())).kind is FailureClass.THROTTLED


async def test_retry_after_is_heard_as_seconds_and_as_a_date() -> None:
    receiver = PagerDutyReceiver()
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    receiver.told.extend(Reply(429, headers={"Retry-After": each}) for each in ("17", at))
    async with serving(receiver):
        assert (await failure(receiver, message())).retry_after == 17
        found = (await failure(receiver, message())).retry_after
        assert found is not None
        assert 80 < found <= 90


async def test_a_test_opens_nothing_and_says_what_it_proves() -> None:
    receiver = PagerDutyReceiver(keys=frozenset({KEY}))
    async with serving(receiver):
        first, second = await checks_of(receiver), await checks_of(receiver)
    assert all(check.ok for check in [*first.values(), *second.values()])
    assert "anybody is on call" in first["Events API takes the key"].detail
    assert receiver.alerts == []
    probes = [each["dedup_key"] for each in receiver.dropped]
    assert len(set(probes)) == 2
    assert all(each.startswith("probe-") for each in probes)


async def test_a_test_with_an_unknown_key_says_so() -> None:
    receiver = PagerDutyReceiver(keys=frozenset())
    async with serving(receiver):
        checks = await checks_of(receiver)
    assert checks["integration key format"].ok
    assert not checks["Events API takes the key"].ok
    assert "Invalid routing key" in checks["Events API takes the key"].detail
    assert checks["REST key valid"].ok  # it says nothing about the other key


async def test_a_rest_key_is_checked_only_if_there_is_one() -> None:
    receiver = PagerDutyReceiver(rest_keys=frozenset({"another"}))
    async with serving(receiver):
        checks = await checks_of(receiver)
        assert (checks["Events API takes the key"].ok, checks["REST key valid"].ok) == (True, False)
        assert "401" in checks["REST key valid"].detail
        assert "REST key valid" not in await checks_of(receiver, restApiKey=None)


async def test_a_test_of_nobody_there_fails_check_by_check() -> None:
    receiver = PagerDutyReceiver()
    async with serving(receiver):
        pass
    checks = await checks_of(receiver)
    assert [check.ok for check in checks.values()] == [True, False, False]


@pytest.mark.parametrize(
    ("config", "urls"),
    [
        ({}, ("https://events.pagerduty.com/v2/enqueue", "https://api.pagerduty.com/abilities")),
        (
            {"region": "eu"},
            (
                "https://events.eu.pagerduty.com/v2/enqueue",
                "https://api.eu.pagerduty.com/abilities",
            ),
        ),
        (
            {"region": "eu", "baseUrl": "https://proxy.example/pd/"},
            ("https://proxy.example/pd/v2/enqueue", "https://api.eu.pagerduty.com/abilities"),
        ),
    ],
)
def test_regions_have_their_hosts(config: dict[str, Any], urls: tuple[str, str]) -> None:
    made = PagerDutyConfig.model_validate({"integrationKey": KEY, **config})
    assert (made.events_url, made.abilities_url) == urls


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({}, "integrationKey"),
        ({"integrationKey": KEY[1:]}, "integrationKey"),
        ({"integrationKey": KEY + "1"}, "integrationKey"),
        ({"integrationKey": KEY[1:] + "-"}, "integrationKey"),
        ({"integrationKey": KEY[1:] + "١"}, "integrationKey"),
        ({"integrationKey": KEY, "restApiKey": "a\r\nX-Evil: 1"}, "restApiKey"),
        ({"integrationKey": KEY, "restApiKey": ""}, "restApiKey"),
        ({"integrationKey": KEY, "region": "ap"}, "region"),
        ({"integrationKey": KEY, "baseUrl": "https://a.example/?x="}, "baseUrl"),
        ({"integrationKey": KEY, "source": ""}, "source"),
        ({"integrationKey": KEY, "routingKey": KEY}, "routingKey"),
    ],
)
def test_configs_that_cannot_work_are_refused(config: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as raised:
        PagerDutyConfig.model_validate(config)
    assert [error["loc"][0] for error in raised.value.errors()] == [place]
    assert KEY[1:] not in str(raised.value)


def test_a_message_without_a_link_or_words_has_no_empty_members() -> None:
    said = replace(message(), url=None, body="", facts=(), extra={})
    made = event(said, component=None, group=None)
    assert made.keys() == {"event_action", "dedup_key", "payload", "client"}
    assert made["payload"]["custom_details"] == {
        **{"event_type": "incident.created", "entity_type": "incident", "entity_id": "INC-1042"}
    }
