"""What an issue or a comment says of a message, before it is written in either markup. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from domain.notification.message import Message
from integrations.appearance import entity_of, remarks_on, time_of
from integrations.text import cut, json_bytes, json_units, lines, link, one_line

# Jira refuses longer texts (JRASERVER-64351). Of ADF it is not documented what is counted, so all
# of its JSON is.
TEXT_UNITS = 32_767
# Jira says "must be less than 255 characters" in some versions, "can't exceed 255" in others.
SUMMARY_UNITS = 254
_NAME, _VALUE, _REMARK, _ABOUT, _URL = 100, 400, 500, 600, 2_000

OPEN = "View in FireLater"


@dataclass(frozen=True, slots=True)
class Content:
    """`title` is empty where the summary says all of it; `url` where there is no link that Jira
    would take."""

    remarks: tuple[str, ...]
    title: str
    body: str
    facts: tuple[tuple[str, str], ...]
    about: str
    url: str


def summary(message: Message) -> str:
    return cut(_title(message), SUMMARY_UNITS, units)


def description(message: Message) -> Content:
    """What a new issue says; its summary is above it."""
    said = comment(message)
    return said if said.title != summary(message) else replace(said, title="")


def comment(message: Message) -> Content:
    """A repetition is recognised, so that none is announced."""
    about = (entity_of(message), message.event_type, str(message.severity), time_of(message))
    url = link(message.url, _URL) or ""
    unlinked = [("url", message.url)] if message.url and not url else []
    return Content(
        tuple(cut(each, _REMARK, size) for each in remarks_on(replace(message, repeated=False))),
        _title(message),
        lines(message.body).strip()[:TEXT_UNITS],
        tuple(_fact(*each) for each in [*unlinked, *message.facts]),
        cut(" · ".join(filter(None, about)), _ABOUT, size),
        url,
    )


def fitting(content: Content, measure: Callable[[Content], int]) -> Content:
    """The content with as many facts, and then as much of its body, as fit; all else always does.
    Facts may not fit where most of their characters have to be escaped."""

    def whole(body: str) -> int:
        return measure(replace(content, body=body))

    while content.facts and whole("") > TEXT_UNITS:
        content = replace(content, facts=content.facts[:-1])
    return replace(content, body=cut(content.body, TEXT_UNITS, whole))


def units(text: str) -> int:
    """How long a text is as Java counts it."""
    return len(text.encode("utf-16-le")) // 2


def size(value: object) -> int:
    """How long JSON is as Java counts it. Bytes beyond 48 KiB count as well: Jira repeats a comment
    in its answer, of which no more than 64 KiB are read."""
    return max(json_units(value), json_bytes(value) * 2 // 3)


def _title(message: Message) -> str:
    return one_line(message.title) or message.event_type


def _fact(name: str, value: str) -> tuple[str, str]:
    return cut(one_line(name), _NAME, size), cut(one_line(value), _VALUE, size) or "–"
