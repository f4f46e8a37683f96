"""A message as the fields of a ServiceNow record, and as a work note. Pure.

Lengths: the dictionary of the table incident, where short_description has 160 characters and
description 4,000; what is longer, ServiceNow cuts without a word. In a journal such as work_notes,
text between `[code]` and `[/code]` is shown as HTML (docs.servicenow.com, "Journal field type"),
so such tags in untrusted text are written with round brackets.
"""

import re

from domain.json_document import Json
from domain.notification.message import Message
from domain.notification.severity import Severity
from integrations.appearance import remarks_on, time_of
from integrations.servicenow.config import ServiceNowConfig
from integrations.text import cut, lines, link, one_line

SHORT, LONG = 160, 4_000
_REMARK, _FACTS, _FACT, _URL = 400, 1_200, 400, 500
_CODE = re.compile(r"\[(/?)code\]", re.IGNORECASE)

# Impact and urgency, from which ServiceNow computes the priority: 1, 2, 3 and 5.
_WEIGHT = {
    Severity.CRITICAL: ("1", "1"),
    Severity.ERROR: ("1", "2"),
    Severity.WARNING: ("2", "2"),
    Severity.INFO: ("3", "3"),
}


def record(message: Message, config: ServiceNowConfig, group: str | None) -> Json:
    """The fields of a new record, which `fields` of the config add to or replace."""
    impact, urgency = _WEIGHT[message.severity]
    named = {
        "short_description": cut(_title(message), SHORT, units),
        "description": description(message),
        "correlation_id": message.delivery_id,  # by which an uncertain creation is looked for
        "correlation_display": "FireLater",
        "impact": impact,
        "urgency": urgency,
        "assignment_group": group,
        "caller_id": config.caller_id,
        "category": config.category,
        "subcategory": config.subcategory,
        "contact_type": config.contact_type,
    }
    return {name: said for name, said in named.items() if said} | config.fields


def description(message: Message) -> str:
    """What the event says, the title only if it is cut above."""
    title = _title(message)
    whole = [title] if units(title) > SHORT else []
    return _fitted([*_remarks(message), *whole], message, _end(message))


def note(message: Message) -> str:
    """The event as a work note, which ends with the mark that it is found by."""
    head = [*_remarks(message), _title(message)]
    said = _fitted(head, message, [*_end(message), mark(message.delivery_id)])
    return _CODE.sub(r"(\1code)", said)


def mark(delivery_id: str) -> str:
    """The line by which a work note is found again, and its delivery in the API."""
    return f"FireLater delivery {delivery_id}"


def resolution(message: Message, config: ServiceNowConfig) -> Json:
    """The fields of a resolution beside its state."""
    notes = config.close_notes or cut(f"Resolved in FireLater: {_title(message)}", LONG, units)
    code = {"close_code": config.close_code} if config.close_code else {}
    return {**code, "close_notes": notes} | config.resolve_fields


def units(text: str) -> int:
    """How long ServiceNow may count it: in UTF-16, as Java does."""
    return len(text.encode("utf-16-le")) // 2


def _title(message: Message) -> str:
    return one_line(message.title) or message.event_type


def _remarks(message: Message) -> list[str]:
    return [cut(each, _REMARK, units) for each in remarks_on(message)]


def _fitted(head: list[str], message: Message, end: list[str]) -> str:
    """Head, body and end as paragraphs; the body is cut, as all else has its own limits."""
    above, below = "\n".join(head), "\n".join(end)
    room = LONG - units(above) - units(below) - len("\n\n\n\n")
    body = cut(lines(message.body).strip()[: LONG + 1], room, units)
    return "\n\n".join(filter(None, [above, body, below]))


def _end(message: Message) -> list[str]:
    """The facts, the event, and its link; a URL that is too long for a link is among the facts."""
    url = link(message.url, _URL)
    unlinked = [("url", message.url)] if message.url and url is None else []
    facts = [
        cut(f"{one_line(name)}: {one_line(said)}", _FACT, units)
        for name, said in [*unlinked, *message.facts]
    ]
    event = f"{message.event_type}, {message.severity}, {time_of(message)}"
    shown = cut("\n".join(facts), _FACTS, units)
    return list(filter(None, [shown, event, url]))
