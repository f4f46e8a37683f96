"""A message as an Adaptive Card 1.4, in the envelope that a Teams workflow's trigger takes. Pure.

Source: learn.microsoft.com, "Microsoft Teams connector" (the trigger's schema: `contentUrl` must be
there, as null), "Text features in Adaptive Cards" (a subset of Markdown, no HTML), and "Create
incoming webhooks" (28 KB; other senders were cut at 21 KB, so that is what is kept to).
"""

import re
from typing import Any

from channels.look import entity_of, time_of
from channels.text import cut, json_bytes, lines, link, one_line
from domain.message import Message
from domain.notification import Action, Severity

CARD_BYTES = 21_000  # all of the request
_TITLE, _NAME, _VALUE, _URL = 4_000, 80, 300, 2_048  # bytes, as they stand in JSON

_COLOURS = {  # of Adaptive Cards, which has four
    Severity.CRITICAL: "attention",
    Severity.ERROR: "attention",
    Severity.WARNING: "warning",
    Severity.INFO: "accent",
}

# Emphasis, code, links, strike-through, HTML and autolinks; an entity's beginning.
_MARKS = re.compile(r"[\\`*_\[\]()<>~]|&(?=#?\w+;)")
# What begins a list, a heading or a rule: `- `, `# `, `1. `, `---`.
_MARKED_LINE = re.compile(r"^([ \t]*)([-+#]|[0-9]+(?=\.(?:\s|$)))", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)

Element = dict[str, Any]


def envelope(message: Message) -> dict[str, Any]:
    """The card as it is posted; the body's text is what gives way where there is too much."""
    room = CARD_BYTES - json_bytes(_around(_card(message, "x"))) + json_bytes(_text("x"))
    # Of more characters than there are bytes, nothing could be kept.
    body = lines(message.body).strip()[:CARD_BYTES]
    return _around(_card(message, cut(body, room, lambda text: json_bytes(_text(text)))))


def markdown(text: str) -> str:
    """Text that Markdown shows as it is, line by line: without links, emphasis, lists or HTML."""
    inert = _MARKS.sub(lambda mark: "\\" + mark[0], text)
    inert = _MARKED_LINE.sub(_disarmed, inert)
    inert = _INDENT.sub(lambda indent: "\u00a0" * len(indent[0]), inert)  # else code
    return inert.replace("\n", "\n\n")  # one alone is only a space


def _disarmed(start: re.Match[str]) -> str:
    digits = start[2].isdigit()
    return f"{start[1]}{start[2]}\\" if digits else f"{start[1]}\\{start[2]}"


def _around(card: Element) -> dict[str, Any]:
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _card(message: Message, body: str) -> Element:
    actions = _actions(message)
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            _title(message),
            *([_text(body)] if body else []),
            {"type": "FactSet", "facts": _facts(message)},
        ],
        **({"actions": actions} if actions else {}),
    }


def _text(text: str) -> Element:
    return {"type": "TextBlock", "text": markdown(text), "wrap": True}


def _title(message: Message) -> Element:
    resolved = message.action is Action.RESOLVE
    return {
        "type": "TextBlock",
        "text": _short(message.title, _TITLE) or _short(message.event_type, _TITLE),
        "wrap": True,
        "size": "large",
        "weight": "bolder",
        "color": "good" if resolved else _COLOURS[message.severity],
    }


def _facts(message: Message) -> list[Element]:
    about = entity_of(message)
    ours = [
        ("Event", message.event_type),
        ("Severity", str(message.severity)),
        *([("Entity", about)] if about else []),
        ("Time", time_of(message)),
    ]
    return [
        {"title": _short(name, _NAME), "value": _short(value, _VALUE) or "–"}
        for name, value in [*ours, *message.facts]
    ]


def _short(text: str, size: int) -> str:
    """Inert text on one line, of so many bytes at most."""
    return markdown(cut(one_line(text), size, lambda begun: json_bytes(markdown(begun))))


def _actions(message: Message) -> list[Element]:
    url = link(message.url, _URL)
    return [{"type": "Action.OpenUrl", "title": "Open", "url": url}] if url else []
