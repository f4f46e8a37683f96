"""What an event does to the record that stands for its entity. Pure.

A state is never moved back: people may have put a record on hold, resolved or closed it meanwhile,
and a late event says nothing about how things are now.
"""

from domain.notification.event import Action, action
from domain.notification.message import Message
from integrations.servicenow.config import States


def next_state(message: Message, current: str, states: States) -> str | None:
    """The state to set; None if the record stays in its own."""
    if message.latest is not None:
        return None
    match message.action:
        case Action.ACKNOWLEDGE:
            return states.acknowledge if current == states.new else None
        case Action.RESOLVE:
            return None if current == states.resolve else states.resolve
        case Action.TRIGGER:
            return states.reopen if current == states.resolve else None


def begins(message: Message, *, had_one: bool = False) -> bool:
    """Whether a record is made for the event if none is there, or the one it had (`had_one`) is
    over. A trigger is worth one, but not if it comes late to a record that is over, or after a
    resolve was told, as nobody would tell that again."""
    latest = message.latest
    if message.action is not Action.TRIGGER:
        return False
    return latest is None or not (had_one or action(latest.event_type) is Action.RESOLVE)
