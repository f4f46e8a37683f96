"""What a later event of an entity does to the message that Slack shows of it. Pure.

The message gets a line with the entity's state, and its thread gets the event (docs.slack.dev,
chat.update and "Threading messages together"). A reply is seen by those who follow the thread only,
so an entity that opens again is also shown in the channel (`reply_broadcast`).
"""

from collections.abc import Mapping

from domain.json_document import Json
from domain.notification.event import Action
from domain.notification.inbound import state_after
from domain.notification.message import Message, render
from integrations.appearance import time_of
from integrations.channel import Outgoing
from integrations.slack.blocks import content
from integrations.slack.config import SlackConfig, place
from integrations.text import cut, one_line

_TITLE = 200  # characters of an event's title in the line with the state
_STATES = {
    Action.TRIGGER: "Updated",
    Action.ACKNOWLEDGE: "Acknowledged",
    Action.RESOLVE: "Resolved",
}
_BUTTONS = {
    Action.TRIGGER: (Action.ACKNOWLEDGE, Action.RESOLVE),
    Action.ACKNOWLEDGE: (Action.RESOLVE,),
    Action.RESOLVE: (),
}


def posted_message(outgoing: Outgoing[SlackConfig]) -> Mapping[str, str] | None:
    """The channel and ts of the entity's message, if there is one where this delivery goes. If the
    notification channel was led to another Slack channel since, people do not look there."""
    known = outgoing.existing.reference
    if not known or not known.get("ts") or place(known.get("channel", "")) != outgoing.place:
        return None
    return known


def follow_up(outgoing: Outgoing[SlackConfig], posted: Mapping[str, str]) -> Json:
    """The reply in the thread, and the edit of the message; a late event edits nothing, as the
    message shows a later state already."""
    message, where = outgoing.message, {"channel": posted["channel"]}
    reply: Json = {**where, "thread_ts": posted["ts"], "client_msg_id": message.delivery_id}
    if _opens_again(outgoing):
        reply["reply_broadcast"] = True
    said: Json = {"reply": {**reply, **content(message)}}
    opened = outgoing.existing.opened
    if message.latest is None and opened is not None:
        first = render(message.delivery_id, opened, outgoing.config.severity)
        buttons = buttons_of(outgoing, _new_state(outgoing))
        shown = content(first, _state(outgoing), buttons)
        said["edit"] = {
            **where,
            "ts": posted["ts"],
            "text": shown["text"],
            "blocks": shown["blocks"],
        }
    return said


def buttons_of(outgoing: Outgoing[SlackConfig], state: Action) -> tuple[Action, ...]:
    """What people may do to the message's entity in this state; nothing where no entity is named,
    or Slack cannot tell us that a button was pressed."""
    message = outgoing.message
    if outgoing.config.signing_secret is None or not (message.entity_type and message.entity_id):
        return ()
    return _BUTTONS[state]


def _new_state(outgoing: Outgoing[SlackConfig]) -> Action:
    """The entity's state after the event."""
    told = outgoing.existing.action
    return state_after([*([told] if told else []), outgoing.message.action]) or Action.TRIGGER


def _opens_again(outgoing: Outgoing[SlackConfig]) -> bool:
    triggers = outgoing.message.action is Action.TRIGGER
    return triggers and outgoing.existing.action is Action.RESOLVE


def _state(outgoing: Outgoing[SlackConfig]) -> str:
    """The entity's state in a line, as `Resolved, 2026-11-28 10:00:00 UTC: Database is back`."""
    message: Message = outgoing.message
    word = "Open again" if _opens_again(outgoing) else _STATES[message.action]
    title = cut(one_line(message.title) or message.event_type, _TITLE)
    return f"{word}, {time_of(message)}: {title}"
