"""Each channel's example made ready to send, and messages to send through it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from string import ascii_letters
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from hypothesis import strategies as st

from domain.notification.event import Severity, StoredEvent
from domain.notification.message import Message, render
from integrations import CHANNELS
from integrations.channel import Outgoing, secret_names
from receivers.example import EXAMPLES, filled

_LONG = 20  # characters
DELIVERY = "019ab0de-0000-7000-8000-00000000000d"
NOTIFICATION: StoredEvent = {
    "id": UUID("019ab0de-0000-7000-8000-00000000000e"),
    "event_type": "incident.created",
    "title": "Database is slow",
    "body": "Queries take 20 s.\n*Who* can <look>?",
    "entity_type": "incident",
    "entity_id": "INC-1042",
    "metadata": {
        "severity": "error",
        "url": "https://firelater.example/incidents/INC-1042",
        "service": "orders",
        "impact": 2,
        "path": ["eu", "db"],
    },
    "created_at": datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
    "recipient": None,
}


def message(**changes: Any) -> Message:
    """The message of an ordinary event, with fields of the message changed."""
    return replace(render(DELIVERY, NOTIFICATION, Severity.INFO), **changes)


STEMS = sorted(path.stem for path in EXAMPLES.glob("*.json"))


def kind_of(stem: str) -> str:
    """The channel of an example; a channel with several ways has several: slack, slack_webhook."""
    return max((kind for kind in CHANNELS if stem.startswith(kind)), key=len, default="")


def example(stem: str, url: str) -> dict[str, Any]:
    """The example, its receiver being at `url`: for a mail server, its host, port and security."""
    found, parts = filled(stem, url), urlsplit(url)
    if "host" in found["config"]:
        security = "tls" if parts.scheme == "https" else "none"
        found["config"] |= {"host": parts.hostname, "security": security}
    return found


def outgoing(stem: str, url: str, said: Message | None = None, **config: Any) -> Outgoing[Any]:
    """The example with members of its config changed, as clients write them."""
    given = example(stem, url)
    channel = CHANNELS[kind_of(stem)]
    opened = channel.config.model_validate(given["config"] | config)
    return Outgoing(said or message(), opened, channel.options(**given["options"]))


def secrets_of(stem: str, url: str) -> list[str]:
    """Every secret of the example; of a URL, its long parts too, which are secret by themselves."""
    config = example(stem, url)["config"]
    names = secret_names(CHANNELS[kind_of(stem)].config)
    found = [text.removeprefix(url) for name in names for text in _texts(config.get(name))]
    parts = [part for text in found for part in re.split("[/?&=]", text) if len(part) >= _LONG]
    return [*found, *parts]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)


_CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
_TEXT = st.text(_CHARACTERS)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT
)
_LINKS = st.none() | _TEXT.map("https://".__add__) | st.just("https://a.example/?q=%2F#x")
_NAMES = st.text(f"{ascii_letters}_.:-", min_size=1, max_size=100)


@st.composite
def notifications(draw: st.DrawFn) -> StoredEvent:
    """Rows of `notifications` as any accepted event can make them."""
    has_entity = draw(st.booleans())
    entity = draw(st.tuples(_repeated(100), _repeated(100))) if has_entity else (None, None)
    metadata = draw(st.dictionaries(_TEXT, _SCALARS | st.lists(_SCALARS, max_size=3), max_size=5))
    return NOTIFICATION | {
        "event_type": draw(_NAMES | st.sampled_from(["a.resolved", "b.acknowledged", "c.closed"])),
        "title": draw(_repeated(1_000)),
        "body": draw(_repeated(100_000) | st.just("")),
        "entity_type": entity[0],
        "entity_id": entity[1],
        "metadata": metadata | {"url": draw(_LINKS)},
    }


def _repeated(limit: int) -> st.SearchStrategy[str]:
    """Texts of any length up to `limit`, quickly made."""
    times = st.sampled_from([1, 2, 50, limit])
    parts = st.text(_CHARACTERS, min_size=1)
    return st.tuples(parts, times).map(lambda made: (made[0] * made[1])[:limit])


MESSAGES = st.builds(render, st.uuids().map(str), notifications(), st.sampled_from(Severity))
