"""A message as an Adaptive Card 1.4, in the envelope that a Teams workflow's trigger takes. Pure.

Source: learn.microsoft.com, "Microsoft Teams connector" (the trigger's schema: `contentUrl` must be
there, as null), "Create incoming webhooks" (28 KB), "Format cards in Teams" (`width`).

Untrusted text stands in text runs (RichTextBlock, TextRun; card 1.2), which no client reads as
Markdown: Microsoft's renderers disagree on that, and phones show most backslashes that would
escape it (microsoft/AdaptiveCards#5590, Teams-AdaptiveCards-Mobile#58). So there are no FactSets.
"""

import re
from typing import Any

from domain.json_document import Json
from domain.notification.event import Action, Severity
from domain.notification.message import Message
from domain.values.link import link
from integrations.appearance import ACTIONS, entity_of, remarks_on, time_of
from integrations.text import compact, cut, json_bytes, lines, one_line

CARD_BYTES = 28_000  # "28 KB", in the stricter reading; with the envelope, which is less than 200
_TITLE, _REMARK, _NAME, _VALUE, _URL = 4_000, 2_000, 80, 300, 2_048  # bytes, as they are counted

_COLOURS = {  # by their names in Adaptive Cards
    Severity.CRITICAL: "attention",
    Severity.ERROR: "attention",
    Severity.WARNING: "warning",
    Severity.INFO: "accent",
}

_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)  # which browsers shrink to one blank

Element = Json


def envelope(message: Message) -> Json:
    """The message as it is posted, with its card; if there is too much, the body is cut."""
    room = CARD_BYTES - counted(_enclosed(_card(message, "x"))) + counted("x")
    # Characters beyond the limit of bytes cannot fit.
    body = _INDENT.sub(_kept, lines(message.body).strip())[:CARD_BYTES]
    return _enclosed(_card(message, cut(body, room, counted)))


def _kept(indent: re.Match[str]) -> str:
    return "\u00a0" * len(indent[0])


def counted(made: Any) -> int:
    """How many bytes Teams counts: the workflow hands the card on as a string of JSON within JSON,
    so that each of its quotes and backslashes counts twice. (Hence the limit of 21 KB that others
    found.)"""
    return json_bytes(compact(made).decode())


def _enclosed(card: Element) -> Json:
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
        "msteams": {"width": "Full"},
        "body": [
            _title(message),
            *(_text(_run(_short(remark, _REMARK), italic=True)) for remark in remarks_on(message)),
            *([_text(_run(body))] if body else []),
            *_facts(message),
        ],
        **({"actions": actions} if actions else {}),
    }


def _run(text: str, **style: Any) -> Element:
    return {"type": "TextRun", "text": text, **style}


def _text(*runs: Element, **style: Any) -> Element:
    return {"type": "RichTextBlock", "inlines": [*runs], **style}


def _title(message: Message) -> Element:
    resolved = message.action is Action.RESOLVE
    title = _short(message.title, _TITLE) or _short(message.event_type, _TITLE)
    colour = "good" if resolved else _COLOURS[message.severity]
    return _text(_run(title, size="large", weight="bolder", color=colour))


def _facts(message: Message) -> list[Element]:
    """The facts, one line each; a link that Teams would refuse is shown as text among them."""
    about, found = entity_of(message), link(message.url)
    is_linked = not message.url or (found is not None and len(found) <= _URL)
    ours = [
        ("Event", message.event_type),
        ("Severity", str(message.severity)),
        *([("Entity", about)] if about else []),
        ("Time", time_of(message)),
        *([] if is_linked else [("url", message.url or "")]),
    ]
    facts = [*ours, *message.facts]
    return [
        _text(
            _run(f"{_short(name, _NAME)}: ", weight="bolder"),
            _run(_short(value, _VALUE) or "–"),
            spacing="medium" if number == 0 else "none",
        )
        for number, (name, value) in enumerate(facts)
    ]


def _short(text: str, size: int) -> str:
    """Text on one line, of so many bytes at most."""
    return cut(one_line(text), size, counted)


def _actions(message: Message) -> list[Element]:
    found = link(message.url)
    shown = [("View Details", found)] if found is not None and len(found) <= _URL else []
    shown += [(ACTIONS[action], url) for action, url in message.links]
    return [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in shown]
