"""What alerts and their notes say. Pure.

Limits: docs.opsgenie.com, "Alert API". How characters are counted is not documented, so texts are
measured in the strictest way: in UTF-16, with entities.

Opsgenie shows HTML in an alert's message (docs.opsgenie.com, "Alerts and Alert Fields"), so the
texts that people read are escaped. `details` are not: rules of the tenant compare their values.
"""

import hashlib
import html
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from domain.json_document import Json
from domain.notification.message import Message
from integrations.appearance import entity_of, remarks_on, time_of
from integrations.opsgenie.config import OpsgenieConfig
from integrations.text import compact, cut, lines, link, one_line

MESSAGE, DESCRIPTION, NOTE, ENTITY, DETAILS = 130, 15_000, 25_000, 512, 8_000
_URL, _NAME, _VALUE = 1_000, 50, 300

_PLAIN = re.compile(r"\w[\w .:@-]{0,510}[\w.:@-]")
_NOT_PLAIN = re.compile(r"[^\w.:@-]+")
_BEGINNING, _QUOTED = 100, 1_200  # characters


def alias_of(alert_key: str) -> str:
    """The alert's key, if it can stand in the path of a URL; else its beginning and a hash, which
    keeps it unique.

    Acknowledgements and closes name their alert in the path. Web servers refuse an escaped slash
    there, or read it as a slash, whoever sends it (Tomcat, "encodedSolidusHandling").
    """
    if _PLAIN.fullmatch(alert_key) and len(quote(alert_key)) <= _QUOTED:
        return alert_key
    digest = hashlib.sha256(alert_key.encode()).hexdigest()
    return f"{_NOT_PLAIN.sub('_', alert_key)[:_BEGINNING]}~{digest}"


def alert(message: Message, config: OpsgenieConfig) -> Json:
    """The body of a create."""
    title = _title(message)
    above = [title] if _units(title) > MESSAGE else []
    below = [url for url in [link(message.url, _URL)] if url]
    said = {
        "message": _escaped(cut(title, MESSAGE, _units)),
        "alias": alias_of(message.alert_key),
        "description": _paragraphs(above, message.body, below, DESCRIPTION),
        "responders": [each.body for each in config.responders],
        "tags": list(config.tags),
        "details": _details(message),
        "entity": cut(config.entity or entity_of(message), ENTITY, _width),
        "source": config.source,
        "priority": config.priority_of(message.severity),
    }
    return {name: value for name, value in said.items() if value}


def note(message: Message, config: OpsgenieConfig) -> Json:
    """The body of an acknowledgement, a close or a note: what happened, when, and who it is for."""
    user = [("user", message.user_name)] if message.user_name else []
    facts = [_fact(one_line(name), one_line(value)) for name, value in [*user, *message.facts]]
    below = ["\n".join(facts), link(message.url, _URL), f"{message.event_type}, {time_of(message)}"]
    above = [*remarks_on(message), _title(message)]
    return {
        "note": _paragraphs(above, message.body, [each for each in below if each], NOTE),
        "source": config.source,
    }


def _title(message: Message) -> str:
    return one_line(message.title) or message.event_type


def _fact(name: str, value: str) -> str:
    return f"{cut(name, _NAME, _units)}: {cut(value, _VALUE, _units) or '–'}"


def _paragraphs(above: Sequence[str], body: str, below: Sequence[str], size: int) -> str:
    """The body between paragraphs that are never cut, as HTML."""
    rest = _units("\n\n".join([*above, "-", *below])) - 1
    shown = cut(lines(body).strip()[: size + 1], size - rest, _units)
    return _escaped("\n\n".join(filter(None, [*above, shown, *below])))


def _details(message: Message) -> Json:
    """The event's members and metadata, flat, as the tenant's rules read them. Where the metadata
    has one of our names, its value replaces ours. What is beyond the limit is cut."""
    ours = {
        "event_type": message.event_type,
        "severity": str(message.severity),
        "entity_type": message.entity_type,
        "entity_id": message.entity_id,
        "url": message.url,
        "user_name": message.user_name,
        "user_email": message.recipient,
    }
    return dict(_fitting(ours | message.extra))


def _fitting(details: Json) -> Iterator[tuple[str, str]]:
    left = DETAILS
    for given, value in details.items():
        name = one_line(given)
        text = cut(_as_text(value), left - _width(name), _width)
        if name and text:
            left -= _width(name) + _width(text)
            yield name, text


def _as_text(value: Any) -> str:
    """The vendor takes texts only, and answers 422 to anything else."""
    if value is None:
        return ""
    return lines(value if isinstance(value, str) else compact(value).decode())


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


def _width(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _units(text: str) -> int:
    return _width(_escaped(text))
