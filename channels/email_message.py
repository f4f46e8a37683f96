"""A message as an e-mail: text and HTML for people, headers for threads and filters. Pure."""

import hashlib
import html
import re
from collections.abc import Sequence
from email.headerregistry import Address, HeaderRegistry, MessageIDHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, cast

from channels.email_config import EmailConfig
from channels.look import COLOURS
from channels.text import cut, lines, one_line
from domain.message import Message
from domain.notification import Severity

HTML_BYTES = 100_000  # Gmail clips what is longer than about 102 KB
_SUBJECT_CHARS = 200
_NAME_CHARS, _VALUE_CHARS, _URL_CHARS = 100, 300, 2_000


def _header(text: str, chars: int = _SUBJECT_CHARS) -> str:
    """One line that is no encoded word either (RFC 2047): those could spell what is left out."""
    return _line(text.replace("=?", "= ?"), chars)


def _line(text: str, chars: int) -> str:
    return cut(one_line(text), chars)


def envelope(message: Message, config: EmailConfig, to: Sequence[str]) -> dict[str, Any]:
    """The mail as it is recorded: sender and recipients, headers, text and HTML."""
    return {
        "sender": config.from_address,
        "to": list(to),
        "headers": _headers(message, config),
        "text": _text(message),
        "html": _html(message),
    }


def _headers(message: Message, config: EmailConfig) -> dict[str, str]:
    """The Message-ID is the delivery's, on every attempt; the thread's is its alert's.

    No mail has the thread's id: the first of an alert is not known to those that follow, and
    clients join what refers to the same id.
    """
    local, _, domain = config.from_address.rpartition("@")
    thread = f"<{hashlib.sha256(message.alert_key.encode()).hexdigest()[:32]}@{domain}>"
    prefix = "[CRITICAL] " if message.severity is Severity.CRITICAL else ""
    headers = {
        "From": str(Address(_header(config.from_name), local, domain)),
        "Subject": prefix + _header(message.title),
        "Date": format_datetime(message.created_at),
        "Message-ID": f"<{re.sub('[^A-Za-z0-9-]', '_', message.delivery_id)}@{domain}>",
        "In-Reply-To": thread,
        "References": thread,
        "Auto-Submitted": "auto-generated",
        "X-FireLater-Event": _header(message.event_type, 100),
    }
    urgent = {"Importance": "high"} if message.severity is Severity.CRITICAL else {}
    reply = {"Reply-To": config.reply_to} if config.reply_to else {}
    return {**headers, **urgent, **reply}


def mime(request: dict[str, Any], to: Sequence[str], utf8: bool = False) -> bytes:
    """The mail on the wire, CRLF after lines of at most 998 bytes.

    `utf8`: header fields may hold it, as some address needs it (RFC 6532).
    """
    mail = EmailMessage(SMTP.clone(header_factory=_registry(), cte_type="7bit", utf8=utf8))
    for name, value in request["headers"].items():
        mail[name] = value
    mail["To"] = ", ".join(to)
    mail.set_content(request["text"])
    mail.add_alternative(request["html"], subtype="html")
    mail.set_boundary(f"=_{hashlib.sha256(mail['Message-ID'].encode()).hexdigest()[:32]}")
    return mail.as_bytes()


def _registry() -> HeaderRegistry:
    """As text, a long id would be folded into encoded words, which are no ids any more."""
    registry = HeaderRegistry()
    for name in ("in-reply-to", "references"):
        registry.map_to_type(name, cast(Any, MessageIDHeader))  # typeshed does not know mixins
    return registry


def _about(message: Message) -> str:
    entity = f" · {message.entity_type} {message.entity_id}" if message.entity_id else ""
    return _line(f"{message.severity} · {message.event_type}{entity}", 400)


def _facts(message: Message) -> list[tuple[str, str]]:
    return [(_line(name, _NAME_CHARS), _line(value, _VALUE_CHARS)) for name, value in message.facts]


def _text(message: Message) -> str:
    facts = "\n".join(f"{name}: {value}" for name, value in _facts(message))
    link = _line(message.url or "", _URL_CHARS)
    parts = [_line(message.title, 1_000), lines(message.body), facts, link]
    return "\n\n".join([*filter(None, parts), f"-- \n{_about(message)}"]) + "\n"


def _html(message: Message) -> str:
    """Everything is escaped; the body is what gives way where there is too much."""
    head = (
        '<!DOCTYPE html><html><head><meta charset="utf-8"></head>\n'
        '<body style="font-family:sans-serif;margin:16px">\n'
        f'<div style="border-left:4px solid {COLOURS[message.severity]};padding-left:12px">\n'
        f'<h2 dir="auto">{html.escape(_line(message.title, 1_000))}</h2>\n'
    )
    tail = f"{_table(message)}{_button(message)}</div>\n<p>{html.escape(_about(message))}</p>\n"
    tail += "</body></html>\n"
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


def _button(message: Message) -> str:
    """A link that was cut would lead elsewhere; one that is too long is left out."""
    url = message.url or ""
    if not url.startswith(("https://", "http://", "mailto:")) or len(url) > _URL_CHARS:
        return ""
    return f'<p><a href="{html.escape(_line(url, _URL_CHARS))}">Open</a></p>\n'


def _paragraph(text: str) -> str:
    return html.escape(text).replace("\n", "<br>\n")
