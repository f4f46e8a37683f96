"""Slack: later events of an entity edit its message and reply in its thread."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.integration.outcome import DeliveryFailed, FailureClass, Receipt
from domain.notification.event import Action
from domain.notification.message import Latest
from egress.client import egress
from integrations.channel import Existing, Outgoing
from integrations.slack.channel import Slack
from integrations.slack.config import SlackConfig, SlackOptions
from receivers.receiver import Reply, serving
from receivers.slack import SlackReceiver, channel_id
from tests.integrations.examples import NOTIFICATION, message, outgoing

CHANNEL = Slack()
OPS = "C0123456789"


@pytest.fixture
async def slack() -> AsyncIterator[SlackReceiver]:
    receiver = SlackReceiver()
    async with serving(receiver):
        yield receiver


def after(
    slack: SlackReceiver, posted: Mapping[str, str] | None, told: Action | None, **said: Any
) -> Outgoing[SlackConfig]:
    """An event after one that posted a message, and after one with the action `told`."""
    made: Outgoing[SlackConfig] = outgoing("slack", slack.url, message(**said))
    known = Existing(reference=posted, opened=NOTIFICATION, action=told)
    return replace(made, options=SlackOptions(channel=OPS), place=OPS, existing=known)


async def deliver(slack: SlackReceiver, going: Outgoing[SlackConfig]) -> Receipt:
    async with egress(slack.allowed) as out:
        return await CHANNEL.deliver(going, CHANNEL.request(going), out)


async def posted(slack: SlackReceiver) -> Mapping[str, str]:
    reference = (await deliver(slack, after(slack, None, None))).reference
    assert reference is not None
    return reference


def resolved(slack: SlackReceiver, first: Mapping[str, str], **said: Any) -> Outgoing[SlackConfig]:
    given: dict[str, Any] = {
        "event_type": "incident.resolved",
        "action": Action.RESOLVE,
        "title": "Database is back",
        **said,
    }
    return after(slack, first, Action.TRIGGER, **given)


async def test_a_later_event_edits_the_message_and_replies_in_its_thread(
    slack: SlackReceiver,
) -> None:
    first = await posted(slack)
    receipt = await deliver(slack, resolved(slack, first))
    assert receipt == replace(receipt, confirmed=True, reference=dict(first), destination=OPS)
    shown, reply = (each["message"] for each in slack.messages)
    header, state, body = shown["blocks"][:3]
    assert header["text"]["text"] == "Database is slow"  # what happened stays readable
    assert state["text"]["text"] == "Resolved, 2026-11-23 10:00:00 UTC: Database is back"
    assert body["text"]["text"].startswith("Queries take 20 s.")
    assert shown["edited"]
    assert reply["thread_ts"] == first["ts"]
    assert reply["text"].startswith("Database is back")
    assert "subtype" not in reply


@pytest.mark.parametrize(
    ("told", "action", "word"),
    [
        (Action.TRIGGER, Action.TRIGGER, "Updated"),
        (Action.TRIGGER, Action.ACKNOWLEDGE, "Acknowledged"),
        (Action.ACKNOWLEDGE, Action.TRIGGER, "Updated"),
        (Action.RESOLVE, Action.RESOLVE, "Resolved"),
        (Action.RESOLVE, Action.TRIGGER, "Open again"),
    ],
)
async def test_the_message_shows_the_state_of_its_entity(
    slack: SlackReceiver, told: Action, action: Action, word: str
) -> None:
    first = await posted(slack)
    await deliver(slack, after(slack, first, told, action=action))
    state = slack.messages[0]["message"]["blocks"][1]["text"]["text"]
    assert state.startswith(f"{word}, ")


async def test_an_entity_that_opens_again_is_shown_in_the_channel_too(
    slack: SlackReceiver,
) -> None:
    first = await posted(slack)
    await deliver(slack, after(slack, first, Action.RESOLVE))
    assert slack.messages[1]["message"]["subtype"] == "thread_broadcast"


async def test_a_late_event_replies_and_edits_nothing(slack: SlackReceiver) -> None:
    first = await posted(slack)
    latest = Latest("incident.resolved", "Database is back", datetime(2026, 11, 23, 11, tzinfo=UTC))
    await deliver(slack, after(slack, first, Action.RESOLVE, latest=latest))
    shown, reply = (each["message"] for each in slack.messages)
    assert "edited" not in shown
    assert reply["thread_ts"] == first["ts"]
    assert reply["blocks"][1]["text"]["text"].startswith("Late: ")


async def test_a_deleted_message_is_posted_anew(slack: SlackReceiver) -> None:
    first = await posted(slack)
    slack.messages.clear()
    receipt = await deliver(slack, resolved(slack, first))
    [anew] = slack.messages
    assert "thread_ts" not in anew["message"]
    assert receipt.reference == {"channel": channel_id(OPS), "ts": anew["ts"]}


async def test_a_message_that_cannot_be_edited_gets_its_reply(slack: SlackReceiver) -> None:
    first = await posted(slack)
    slack.edits = False
    receipt = await deliver(slack, resolved(slack, first))
    assert receipt.reference == first
    assert slack.messages[1]["message"]["thread_ts"] == first["ts"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(429, '{"ok":false,"error":"ratelimited"}'), FailureClass.THROTTLED),
        (Reply(200, '{"ok":false,"error":"fatal_error"}'), FailureClass.TRANSIENT),
        (Reply(503, ""), FailureClass.TRANSIENT),
        (Reply(reset=True), FailureClass.TRANSIENT),
        (Reply(200, '{"ok":false,"error":"token_revoked"}'), FailureClass.MISCONFIGURED),
    ],
)
async def test_a_failed_edit_is_repeated_without_doubt(
    slack: SlackReceiver, reply: Reply, kind: FailureClass
) -> None:
    """Nothing was posted, and an edit that is repeated looks the same."""
    first = await posted(slack)
    slack.told.append(reply)
    with pytest.raises(DeliveryFailed) as caught:
        await deliver(slack, resolved(slack, first))
    assert (caught.value.failure.kind, caught.value.failure.maybe_sent) == (kind, False)
    assert len(slack.messages) == 1


async def test_the_thread_of_another_channel_is_left_alone(slack: SlackReceiver) -> None:
    """The notification channel leads elsewhere now: people do not look at the old message."""
    first = await posted(slack)
    elsewhere = replace(resolved(slack, first), options=SlackOptions(channel="#dev"), place="dev")
    receipt = await deliver(slack, elsewhere)
    assert receipt.destination == channel_id("#dev")
    assert "thread_ts" not in slack.messages[1]["message"]


async def test_an_incoming_webhook_posts_every_event(slack: SlackReceiver) -> None:
    made = outgoing("slack_webhook", slack.url, message(action=Action.RESOLVE))
    known = Existing(reference={"channel": OPS, "ts": "1.2"}, opened=NOTIFICATION)
    going: Outgoing[SlackConfig] = replace(made, place="", existing=known)
    assert (await deliver(slack, going)).reference is None
    assert len(slack.messages) == 1
