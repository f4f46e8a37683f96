"""A message as Slack's blocks: for chat.postMessage and for incoming webhooks alike. Pure.

Limits: docs.slack.dev, "Reference: blocks". Slack does not document how it counts, nor that all
blocks together may have about 13,200 characters (slackapi/bolt-js#2509), so texts are measured in
the strictest way, and the limits here add up to less than that.

The body and the entity are mrkdwn, as the platform documents: their formatting shows. There `&`,
`<` and `>` are escaped, so that no link hides behind a text and nobody is mentioned, and
`verbatim` keeps Slack from reading names and `@channel` into them ("Reference: text object"). The
fallback `text` is escaped likewise. All else stands in `plain_text`, where nothing is markup.
"""

from collections.abc import Iterable

from domain.json_document import Json
from domain.notification.event import Action
from domain.notification.message import Message
from integrations.appearance import ACTIONS, remarks_on, time_of
from integrations.text import cut, json_units, lines, link, one_line

HEADER, SECTION, URL = 150, 3_000, 3_000
FIELDS = 10  # in a section
_NAME, _VALUE, _CONTEXT, _FALLBACK, _REMARK, _TITLE = 50, 150, 200, 1_000, 500, 1_500

Block = Json


def content(message: Message, state: str = "", buttons: Iterable[Action] = ()) -> Json:
    """The message in top-level blocks; `state` is a line about its entity, to show first, and
    `buttons` are what people may do to it.

    Slack folds blocks of attachments behind "Show more" after a few lines, and may show less of
    them one day (docs.slack.dev, "Secondary message attachments"). A title that is too long for a
    header is repeated, whole, above the body.
    """
    title = one_line(message.title) or message.event_type
    body = lines(message.body).strip()[: SECTION + 1]  # no more than this can be shown
    whole = cut(title, _TITLE, _units) if _units(title) > HEADER else ""
    remarks = [*([state] if state else []), *remarks_on(message)]
    return {
        "text": escaped(cut("\n".join([title, *remarks, body]).strip(), _FALLBACK, _units)),
        "blocks": [
            {"type": "header", "text": _plain(title, HEADER)},
            *(_text(remark, _REMARK) for remark in remarks),
            *([_text(whole, _TITLE)] if whole else []),
            *([_body(body, SECTION - _units(whole))] if body else []),
            *_facts(message),
            _context(message),
            *_actions(message, buttons),
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def escaped(text: str) -> str:
    """Text in which mrkdwn sees no links and no mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _units(text: str) -> int:
    """The most that Slack may count: UTF-16, with entities, as it stands in JSON."""
    return json_units(escaped(text)) - 2


def _plain(text: str, size: int) -> Block:
    return {"type": "plain_text", "text": cut(text, size, _units), "emoji": False}


def _mrkdwn(text: str, size: int) -> Block:
    return {"type": "mrkdwn", "text": escaped(cut(text, size, _units)), "verbatim": True}


def _body(text: str, size: int) -> Block:
    """As `_text`, but its formatting shows."""
    return {"type": "section", "text": _mrkdwn(text, size), "expand": True}


def _text(text: str, size: int) -> Block:
    """Text at its full length, without "See more"."""
    return {"type": "section", "text": _plain(text, size), "expand": True}


def _facts(message: Message) -> list[Block]:
    """The message's facts; a link that Slack would refuse is shown as text among them."""
    unlinked = [("url", message.url)] if message.url and link(message.url, URL) is None else []
    facts = [*unlinked, *message.facts]
    fields = [_field(one_line(name), one_line(value)) for name, value in facts]
    return [
        {"type": "section", "fields": fields[start : start + FIELDS], "expand": True}
        for start in range(0, len(fields), FIELDS)
    ]


def _field(name: str, value: str) -> Block:
    return _plain(f"{cut(name, _NAME, _units)}\n{cut(value, _VALUE, _units) or '–'}", SECTION)


def _context(message: Message) -> Block:
    """The line below the message, the entity first, as `incident: INC-1042`."""
    said = [message.event_type, str(message.severity), time_of(message)]
    named = [one_line(name or "") for name in (message.entity_type, message.entity_id)]
    about = ": ".join(filter(None, named))
    entity = [_mrkdwn(about, _CONTEXT)] if about else []
    return {"type": "context", "elements": [*entity, *(_plain(each, _CONTEXT) for each in said)]}


def _actions(message: Message, buttons: Iterable[Action]) -> list[Block]:
    """The link as a button, unless Slack would refuse the whole message for the link; and buttons
    whose value names the entity (integrations/slack/inbound.py reads it)."""
    shown = [_button(action, ACTIONS[action], value=message.alert_key) for action in buttons]
    url = link(message.url, URL)
    if url is not None:
        shown.append(_button("open", "Open", url=url))
    return [{"type": "actions", "elements": shown}] if shown else []


def _button(id: str, text: str, **what: str) -> Block:
    return {"type": "button", "action_id": str(id), "text": _plain(text, HEADER), **what}
