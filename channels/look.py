"""What people see of a message, whichever channel shows it to them. Pure."""

from datetime import datetime

from channels.text import one_line
from domain.message import Message
from domain.notification import Severity

COLOURS = {
    Severity.CRITICAL: "#b3261e",
    Severity.ERROR: "#d9480f",
    Severity.WARNING: "#b08800",
    Severity.INFO: "#2f6fab",
}


def entity_of(message: Message) -> str:
    """What the event is about, as `incident INC-1042`; empty where it does not say."""
    return one_line(f"{message.entity_type or ''} {message.entity_id or ''}")


def time_of(message: Message) -> str:
    """When it was, to the second."""
    return moment(message.created_at)


def moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z").strip()
