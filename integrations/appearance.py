"""What people see of a message, whichever channel shows it to them. Pure."""

from collections.abc import Iterator

from domain.notification.event import Action, Severity
from domain.notification.message import Message
from integrations.text import cut, one_line

COLOURS = {
    Severity.CRITICAL: "#b3261e",
    Severity.ERROR: "#d9480f",
    Severity.WARNING: "#b08800",
    Severity.INFO: "#2f6fab",
}
ACTIONS = {Action.ACKNOWLEDGE: "Acknowledge", Action.RESOLVE: "Resolve"}  # as people read them
_TITLE = 200  # characters of a later event's title
_TIME = "%Y-%m-%d %H:%M:%S %Z"


def entity_of(message: Message) -> str:
    """What the event is about, as `incident INC-1042`; empty where it does not say."""
    return one_line(f"{message.entity_type or ''} {message.entity_id or ''}")


def remarks_on(message: Message) -> list[str]:
    """What to say above the message, one line each: that it is late, or may be a repetition."""
    return [*_late(message), *_repeated(message)]


def _late(message: Message) -> Iterator[str]:
    latest = message.latest
    if latest is not None:
        when, title = latest.created_at.strftime(_TIME).strip(), cut(one_line(latest.title), _TITLE)
        yield (
            f"Late: this happened at {time_of(message)}. Already sent here:"
            f" {latest.event_type} at {when}: {title}"
        )


def _repeated(message: Message) -> Iterator[str]:
    if message.repeated:
        yield "Perhaps a repetition: an earlier attempt may have arrived already."


def time_of(message: Message) -> str:
    """When the event happened, to the second."""
    return message.created_at.strftime(_TIME).strip()
