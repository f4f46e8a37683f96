"""A message as an e-mail: text and HTML for people, headers for threads and filters. Pure."""

import hashlib
import html
import re
from email.utils import format_datetime

from domain.json_document import Json
from domain.notification.event import Severity
from domain.notification.message import Message
from integrations.appearance import ACTIONS, COLOURS, entity_of, remarks_on
from integrations.email.body import alternatives
from integrations.email.config import EmailConfig
from integrations.email.header import address_field, list_field, text_field
from integrations.text import cut, lines, link, one_line

HTML_BYTES = 100_000  # Gmail clips what is longer than about 102 KB
_SUBJECT_CHARS, _ABOUT_CHARS = 200, 100
_NAME_CHARS, _VALUE_CHARS, _URL_CHARS = 100, 300, 2_000
# The prefixes in brackets that RFC 5256 2.1 leaves out where it compares subjects.
_BLOBS = re.compile(r"^(\[[^\[\]]*\]\s*)+")
_IDS = ("Message-ID", "In-Reply-To", "References")  # which are never encoded


def _line(text: str, chars: int) -> str:
    return cut(one_line(text), chars)


def envelope(message: Message, config: EmailConfig, to: tuple[str, ...]) -> Json:
    """The mail as it is recorded: who writes to whom, headers, text and HTML."""
    return {
        "sender": config.from_address,
        "sender_name": _line(config.from_name, 100),
        "to": list(to),
        "reply_to": config.reply_to,
        "headers": _headers(message, config.from_address),
        "text": _text(message),
        "html": _html(message),
    }


def _headers(message: Message, sender: str) -> dict[str, str]:
    """The Message-ID is made of the delivery's id, so it is the same on every attempt. Two fields
    ask machines not to answer."""
    domain = sender.rpartition("@")[2]
    urgent = {"Importance": "high"} if message.severity is Severity.CRITICAL else {}
    return {
        "Subject": _subject(message),
        "Date": format_datetime(message.created_at),
        "Message-ID": f"<{re.sub('[^A-Za-z0-9-]', '_', message.delivery_id)}@{domain}>",
        **_thread(message, sender),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",  # Exchange's: no out-of-office answers, no receipts
        "X-FireLater-Event": _line(message.event_type, 100),
        **urgent,
    }


def _subject(message: Message) -> str:
    """The title, and before it the entity, unless the title begins with the entity.

    Many clients thread by subject (RFC 5256: mails that refer to a mail that is not there), and
    leave out prefixes in brackets: in brackets, an id would not tell two entities apart.
    """
    title = _line(message.title, _SUBJECT_CHARS)
    about = cut(entity_of(message), _ABOUT_CHARS)
    if about and not _begins(_BLOBS.sub("", title), about, one_line(message.entity_id or "")):
        title = f"{about}: {title}"
    return f"[CRITICAL] {title}" if message.severity is Severity.CRITICAL else title


def _begins(title: str, about: str, id: str) -> bool:
    """Whether the title begins with the entity, or with its id alone. An id that is a bare number
    does not count, as it may mean anything (`7 printers are offline`)."""
    names = [about] if id.isdecimal() or not id else [about, id]
    return re.match(rf"({'|'.join(map(re.escape, names))})(?!\w)", title) is not None


def _thread(message: Message, sender: str) -> dict[str, str]:
    """The headers by which clients join the mails of one entity in a thread: all refer to one id.

    No mail has that id, as later mails do not know which one was the first. A mail without an
    entity refers to none.
    """
    if not message.entity_id:
        return {}
    key = hashlib.sha256(f"{sender}\0{message.alert_key}".encode()).hexdigest()[:32]
    id = f"<{key}@{sender.rpartition('@')[2]}>"
    return {"In-Reply-To": id, "References": id}


def mime(request: Json, to: list[str], utf8: bool = False) -> bytes:
    """The mail on the wire, CRLF after lines of at most 998 bytes, most of at most 76.

    `utf8`: addresses may hold UTF-8 (RFC 6532). If not, a Reply-To that holds it is left out, as
    nothing in an address can be encoded (RFC 2047 5(3)).
    """
    headers, reply_to = request["headers"], request["reply_to"]
    fields = [
        address_field("From", request["sender"], request["sender_name"]),
        list_field("To", to, ", "),
        *(list_field(each, [headers[each]]) for each in _IDS if each in headers),
        *(text_field(each, headers[each]) for each in headers if each not in _IDS),
    ]
    if reply_to and (utf8 or reply_to.isascii()):
        fields.append(address_field("Reply-To", reply_to))
    head = "".join(f"{each}\r\n" for each in fields).encode()
    return head + alternatives(request["text"], request["html"], headers["Message-ID"])


def _about(message: Message) -> str:
    entity = f" · {message.entity_type} {message.entity_id}" if message.entity_id else ""
    return _line(f"{message.severity} · {message.event_type}{entity}", 400)


def _facts(message: Message) -> list[tuple[str, str]]:
    return [(_line(name, _NAME_CHARS), _line(value, _VALUE_CHARS)) for name, value in message.facts]


def _text(message: Message) -> str:
    facts = "\n".join(f"{name}: {value}" for name, value in _facts(message))
    title, url = _line(message.title, 1_000), one_line(message.url or "")
    actions = "\n".join(f"{ACTIONS[action]}: {url}" for action, url in message.links)
    parts = [*remarks_on(message), title, lines(message.body), facts, url, actions]
    return "\n\n".join([*filter(None, parts), f"-- \n{_about(message)}"]) + "\n"


def _html(message: Message) -> str:
    """The mail as HTML. Everything is escaped; if there is too much, the body is cut."""
    head = (
        '<!DOCTYPE html><html><head><meta charset="utf-8"></head>\n'
        '<body style="font-family:sans-serif;margin:16px">\n'
        f'<div style="border-left:4px solid {COLOURS[message.severity]};padding-left:12px">\n'
        f"{_remarks(message)}"
        f'<h2 dir="auto">{html.escape(_line(message.title, 1_000))}</h2>\n'
    )
    tail = f"{_table(message)}{_button(message)}{_actions(message)}</div>\n"
    tail += f"<p>{html.escape(_about(message))}</p>\n</body></html>\n"
    room = HTML_BYTES - len((head + tail).encode()) - len('<p dir="auto"></p>\n')
    body = cut(lines(message.body), room, lambda text: len(_paragraph(text).encode()))
    return head + (f'<p dir="auto">{_paragraph(body)}</p>\n' if body else "") + tail


def _table(message: Message) -> str:
    rows = "".join(
        f'<tr><th align="left" dir="auto">{html.escape(name)}</th>'
        f'<td dir="auto">{html.escape(value)}</td></tr>\n'
        for name, value in _facts(message)
    )
    return f'<table cellpadding="4">\n{rows}</table>\n' if rows else ""


def _remarks(message: Message) -> str:
    return "".join(f"<p><em>{html.escape(each)}</em></p>\n" for each in remarks_on(message))


def _button(message: Message) -> str:
    """The URL as a link, or as text if mail programs do not all take it as a link."""
    if found := link(message.url, _URL_CHARS):
        return f'<p><a href="{html.escape(found)}">Open</a></p>\n'
    url = html.escape(_line(message.url or "", _URL_CHARS))
    return f"<p>{url}</p>\n" if url else ""


def _actions(message: Message) -> str:
    """The links by which the reader may act, side by side."""
    links = (f'<a href="{html.escape(url)}">{ACTIONS[action]}</a>' for action, url in message.links)
    return f"<p>{' · '.join(links)}</p>\n" if message.links else ""


def _paragraph(text: str) -> str:
    return html.escape(text).replace("\n", "<br>\n")
