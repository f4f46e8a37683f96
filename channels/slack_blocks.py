"""A message as Slack's blocks: for chat.postMessage and for incoming webhooks alike. Pure.

Limits: docs.slack.dev, "Reference: blocks". Slack does not document how it counts, nor that all
blocks together may have about 13,200 characters (slackapi/bolt-js#2509), so texts are measured in
the strictest way, and the limits here add up to less than that.

Untrusted text stands in `plain_text` objects, where nothing is read as markup. Only the fallback
`text` is mrkdwn; there `&`, `<` and `>` are escaped, without which it has no links or mentions.
"""

from typing import Any

from channels.look import COLOURS, entity_of, time_of
from channels.text import cut, json_units, lines, link, one_line
from domain.message import Message
from domain.notification import Action

HEADER, SECTION, URL = 150, 3_000, 3_000
FIELDS = 10  # in a section
_NAME, _VALUE, _CONTEXT, _FALLBACK = 50, 150, 200, 1_000

_RESOLVED = "#2b8a3e"

Block = dict[str, Any]


def content(message: Message) -> dict[str, Any]:
    """Title above, everything else beside a bar in the severity's colour.

    Without a block above, Slack would show the fallback `text` as well.
    """
    title = one_line(message.title) or message.event_type
    body = lines(message.body).strip()[: SECTION + 1]  # of more, nothing can be shown
    blocks = [*_body(body), *_facts(message), _context(message), *_button(message)]
    return {
        "text": escaped(cut(f"{title}\n{body}".strip(), _FALLBACK, _units)),
        "blocks": [{"type": "header", "text": _plain(title, HEADER)}],
        "attachments": [{"color": _colour(message), "blocks": blocks}],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escaped(text: str) -> str:
    """Text that mrkdwn takes as it is: no links and no mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _units(text: str) -> int:
    """The most that Slack may count: UTF-16, with entities, as it stands in JSON."""
    return json_units(escaped(text)) - 2


def _plain(text: str, size: int) -> Block:
    return {"type": "plain_text", "text": cut(text, size, _units), "emoji": False}


def _colour(message: Message) -> str:
    return _RESOLVED if message.action is Action.RESOLVE else COLOURS[message.severity]


def _body(text: str) -> list[Block]:
    return [{"type": "section", "text": _plain(text, SECTION)}] if text else []


def _facts(message: Message) -> list[Block]:
    fields = [_field(one_line(name), one_line(value)) for name, value in message.facts]
    return [
        {"type": "section", "fields": fields[start : start + FIELDS]}
        for start in range(0, len(fields), FIELDS)
    ]


def _field(name: str, value: str) -> Block:
    return _plain(f"{cut(name, _NAME, _units)}\n{cut(value, _VALUE, _units) or '–'}", SECTION)


def _context(message: Message) -> Block:
    said = [message.event_type, str(message.severity), entity_of(message), time_of(message)]
    return {"type": "context", "elements": [_plain(each, _CONTEXT) for each in said if each]}


def _button(message: Message) -> list[Block]:
    """A link that is none, or too long, is left out: Slack would refuse the whole message."""
    url = link(message.url, URL)
    if url is None:
        return []
    button = {"type": "button", "action_id": "open", "text": _plain("Open", HEADER), "url": url}
    return [{"type": "actions", "elements": [button]}]
