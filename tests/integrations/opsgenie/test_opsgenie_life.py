"""Opsgenie: an alert's life, whatever the order in which the vendor processes requests."""

import asyncio
import time
from dataclasses import replace

import pytest

from domain.integration.outcome import FailureClass
from domain.notification.event import Action
from domain.notification.message import Message
from receivers.opsgenie import OpsgenieReceiver
from receivers.receiver import Reply, serving
from tests.integrations.examples import message
from tests.integrations.opsgenie.sending import ALIAS, LATEST, Line, posts, questions

TRIGGER, ACKNOWLEDGE, RESOLVE = (message(action=action) for action in Action)
UPDATE = message(title="It gets worse", body="Queries take 40 s.")
NEVER = 1_000.0  # seconds


async def test_an_alert_lives_from_trigger_to_resolve() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        line = Line(receiver)
        for said, state in ((TRIGGER, "open"), (ACKNOWLEDGE, "acknowledged"), (RESOLVE, "closed")):
            assert (await line.send(said)).confirmed
            [alert] = receiver.alerts
            assert alert.state == state
        assert (await line.send(TRIGGER)).confirmed
    assert [each.state for each in receiver.alerts] == ["closed", "open"]
    assert [path for path, _ in posts(receiver)] == [
        "/v2/alerts",
        f"/v2/alerts/{ALIAS}/acknowledge?identifierType=alias",
        f"/v2/alerts/{ALIAS}/close?identifierType=alias",
        "/v2/alerts",
    ]
    assert len(receiver.alerts[0].notes) == 2
    assert receiver.alerts[1].notes == []


async def test_jira_service_management_is_spoken_to_in_the_same_way() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        line, base = Line(receiver), f"{receiver.url}/jsm/ops/integration"
        for said in (TRIGGER, ACKNOWLEDGE, RESOLVE):
            assert (await line.send(said, region="jsm", baseUrl=base)).confirmed
        again = await line.send(RESOLVE, region="jsm", baseUrl=base)
    assert [each.state for each in receiver.alerts] == ["closed"]
    assert not again.confirmed
    assert all(path.startswith("/jsm/ops/integration/v2/alerts") for path, _ in posts(receiver))


async def test_a_repeated_trigger_joins_its_alert() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        for _ in range(2):  # as if the first answer had not come
            await Line(receiver).send(TRIGGER)
    [alert] = receiver.alerts
    assert (alert.count, alert.notes) == (2, [])


@pytest.mark.parametrize("before", [TRIGGER, ACKNOWLEDGE])
async def test_the_words_of_an_update_are_a_note(before: Message) -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        line = Line(receiver)
        await line.send(TRIGGER)
        if before is ACKNOWLEDGE:
            await line.send(ACKNOWLEDGE)
        assert (await line.send(UPDATE)).confirmed
    [alert] = receiver.alerts
    assert alert.count == 2
    assert alert.payload["message"] == "Database is slow"
    assert alert.notes[-1].startswith("It gets worse\n\nQueries take 40 s.")


async def test_an_update_opens_an_alert_that_a_person_has_closed() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        line = Line(receiver)
        await line.send(TRIGGER)
        receiver.alerts[0].status = "closed"
        assert (await line.send(UPDATE)).confirmed
    assert [each.state for each in receiver.alerts] == ["closed", "open"]
    assert receiver.alerts[1].payload["message"] == "It gets worse"


@pytest.mark.parametrize("said", [ACKNOWLEDGE, RESOLVE])
@pytest.mark.parametrize("opened", [True, False])
async def test_an_alert_that_is_not_open_is_not_tried_again(said: Message, opened: bool) -> None:
    """A person has closed it, or nobody has opened it."""
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        line = Line(receiver)
        if opened:
            await line.send(TRIGGER)
            receiver.alerts[0].status = "closed"
        receipt = await line.send(said)
    assert not receipt.confirmed
    assert receipt.reference is not None
    assert "requestId" not in receipt.reference


async def test_an_alert_that_is_not_known_at_once_is_not_tried_again() -> None:
    receiver = OpsgenieReceiver()
    receiver.told.append(Reply(404, '{"message": "Alert does not exist", "took": 0.1}'))
    async with serving(receiver):
        assert not (await Line(receiver).send(ACKNOWLEDGE)).confirmed


@pytest.mark.parametrize(
    "body", ["", '{"message": "Not Found"}', '{"message": "no route matched"}']
)
async def test_404_from_elsewhere_is_tried_again(body: str) -> None:
    receiver = OpsgenieReceiver()
    receiver.told.append(Reply(404, body))
    async with serving(receiver):
        assert (await Line(receiver).fail(ACKNOWLEDGE)).kind is FailureClass.TRANSIENT


async def test_an_update_is_delivered_once_its_note_is_there() -> None:
    receiver = OpsgenieReceiver()
    receiver.delays["notes"] = NEVER
    async with serving(receiver):
        line = Line(receiver)
        await line.send(TRIGGER)
        assert not (await line.send(UPDATE)).confirmed
        receiver.delays["notes"] = 0.0
        assert (await line.send(UPDATE)).confirmed


async def test_what_is_processed_too_late_is_accepted() -> None:
    receiver = OpsgenieReceiver()
    receiver.delays["create"] = NEVER
    async with serving(receiver):
        began = time.monotonic()
        receipt = await Line(receiver).send(TRIGGER)
        assert time.monotonic() - began < 2.5
    assert not receipt.confirmed
    assert questions(receiver) == 3


async def test_what_is_processed_within_two_seconds_is_delivered() -> None:
    receiver = OpsgenieReceiver()
    receiver.delays["create"] = 0.9
    async with serving(receiver):
        receipt = await Line(receiver).send(TRIGGER)
    assert receipt.confirmed
    assert receipt.reference is not None
    assert receipt.reference["alertId"] == receiver.alerts[0].id
    assert questions(receiver) == 3


@pytest.mark.parametrize("said", [ACKNOWLEDGE, RESOLVE])
async def test_what_follows_a_create_waits_until_it_is_processed(said: Message) -> None:
    """Otherwise it would be lost: the alert does not exist yet."""
    receiver = OpsgenieReceiver()
    receiver.delays["create"] = NEVER
    async with serving(receiver):
        line = Line(receiver)
        await line.send(TRIGGER)
        failure = await line.fail(said)
        assert (failure.kind, failure.maybe_sent) == (FailureClass.TRANSIENT, False)
        assert "has not processed the create of this alert yet" in failure.detail
        assert len(posts(receiver)) == 1
        receiver.process_all()
        assert (await line.send(said)).confirmed
    assert receiver.alerts[0].state != "open"


async def test_a_trigger_waits_until_the_close_before_it_is_processed() -> None:
    """Otherwise it would join the alert that is about to be closed, and nobody would be called."""
    receiver = OpsgenieReceiver()
    receiver.delays["close"] = NEVER
    async with serving(receiver):
        line = Line(receiver)
        await line.send(TRIGGER)
        assert not (await line.send(RESOLVE)).confirmed
        assert (await line.fail(TRIGGER)).kind is FailureClass.TRANSIENT
        receiver.process_all()
        assert (await line.send(TRIGGER)).confirmed
    assert [each.state for each in receiver.alerts] == ["closed", "open"]


async def test_nothing_waits_for_longer_than_ten_minutes() -> None:
    receiver = OpsgenieReceiver()
    receiver.delays["create"] = NEVER
    async with serving(receiver):
        line = Line(receiver)
        await line.send(TRIGGER)
        line.age(590)
        assert (await line.fail(ACKNOWLEDGE)).kind is FailureClass.TRANSIENT
        line.age(20)
        assert not (await line.send(ACKNOWLEDGE)).confirmed


async def test_what_may_have_arrived_may_still_open_the_alert() -> None:
    """The answer to a trigger did not come, and a resolve replaced it before it was repeated."""
    receiver = OpsgenieReceiver()
    receiver.delays["create"] = NEVER
    async with serving(receiver):
        await Line(receiver).send(TRIGGER)
        line = Line(receiver, maybe_made=("d-0",), ago=5.0)
        failure = await line.fail(RESOLVE)
        assert (failure.kind, failure.retry_after) == (FailureClass.TRANSIENT, 10)
        assert len(posts(receiver)) == 1
        line.ago = 20.0
        failure = await line.fail(RESOLVE)
        assert (failure.kind, failure.retry_after) == (FailureClass.TRANSIENT, None)
        receiver.process_all()
        assert (await line.send(RESOLVE)).confirmed
        line.ago = 600.0
        assert not (await line.send(RESOLVE)).confirmed


async def test_an_own_attempt_that_may_have_arrived_is_not_waited_for() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        line = Line(receiver, maybe_made=(TRIGGER.delivery_id,), ago=1.0)
        assert (await line.send(TRIGGER)).confirmed


async def test_a_trigger_does_not_wait_for_a_trigger() -> None:
    receiver = OpsgenieReceiver()
    receiver.delays["create"] = NEVER
    async with serving(receiver):
        line = Line(receiver)
        await line.send(TRIGGER)
        await line.send(UPDATE)
        receiver.process_all()
    assert [each.count for each in receiver.alerts] == [2]


async def test_a_key_that_may_not_read_waits_a_quarter_of_a_minute() -> None:
    receiver = OpsgenieReceiver()
    receiver.may_read = False
    async with serving(receiver):
        line = Line(receiver)
        assert not (await line.send(TRIGGER)).confirmed
        failure = await line.fail(ACKNOWLEDGE)
        assert failure.kind is FailureClass.TRANSIENT
        assert failure.retry_after is not None
        assert 10 < failure.retry_after <= 15
        line.age(15)
        assert not (await line.send(ACKNOWLEDGE)).confirmed
    assert [each.state for each in receiver.alerts] == ["acknowledged"]


async def test_an_alert_of_another_site_is_not_waited_for() -> None:
    receiver = OpsgenieReceiver()
    receiver.delays["create"] = NEVER
    async with serving(receiver):
        line = Line(receiver)
        await line.send(TRIGGER)
        assert line.reference is not None
        line.reference = {**line.reference, "site": "https://api.eu.opsgenie.com"}
        assert not (await line.send(ACKNOWLEDGE)).confirmed
        assert (await line.send(UPDATE)).reference is not None
    assert [each for path, each in posts(receiver) if "notes" in path] == []


async def test_a_late_event_changes_no_state() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        line = Line(receiver)
        await line.send(TRIGGER)
        before = line.reference
        await line.send(replace(RESOLVE, latest=LATEST))
        assert line.reference == before
        [alert] = receiver.alerts
        assert (alert.state, alert.count) == ("open", 1)
        assert alert.notes[0].startswith("Late: ")
        await line.send(RESOLVE)
        assert not (await line.send(replace(TRIGGER, latest=LATEST))).confirmed
    assert [each.state for each in receiver.alerts] == ["closed"]


async def test_a_vendor_that_hangs_at_the_result_holds_nobody_up() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        sending = asyncio.create_task(Line(receiver).send(TRIGGER))
        await receiver.until(len)
        receiver.always = Reply(hang=True)
        began = time.monotonic()
        assert not (await sending).confirmed
        assert time.monotonic() - began < 2.5


async def test_the_reference_names_the_alert() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        receipt = await Line(receiver).send(TRIGGER)
    assert receipt.reference == {
        "site": receiver.url,
        "alias": ALIAS,
        "action": "create",
        "alertId": receiver.alerts[0].id,
    }
    assert receipt.code == 202
