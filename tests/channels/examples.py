"""Each channel's example made ready to send, and messages to send through it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_letters
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from hypothesis import strategies as st

from channels import CHANNELS
from channels.channel import Outgoing, secret_names
from domain.message import Message, render
from domain.notification import Severity

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "channels"
DELIVERY = "019ab0de-0000-7000-8000-00000000000d"
NOTIFICATION = {
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


def example(kind: str, url: str) -> dict[str, Any]:
    """The channel's example, its receiver being at `url` (scheme://host:port)."""
    text = (EXAMPLES / f"{kind}.json").read_text()
    port = str(urlsplit(url).port)
    found: dict[str, Any] = json.loads(text.replace('"{port}"', port).replace("{receiver}", url))
    return found


def outgoing(kind: str, url: str, said: Message | None = None, **config: Any) -> Outgoing[Any]:
    """The example with members of its config changed, as clients write them."""
    given = example(kind, url)
    opened = CHANNELS[kind].config.model_validate(given["config"] | config)
    return Outgoing(said or message(), opened, given["options"])


def secrets_of(kind: str, config: dict[str, Any]) -> list[str]:
    """Every secret of a config, as clients write it."""
    return [
        text for name in secret_names(CHANNELS[kind].config) for text in _texts(config.get(name))
    ]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
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
def notifications(draw: st.DrawFn) -> dict[str, Any]:
    """Rows of `notifications` as any accepted event can make them."""
    has_entity = draw(st.booleans())
    entity = draw(st.tuples(_short(), _short())) if has_entity else (None, None)
    metadata = draw(st.dictionaries(_TEXT, _SCALARS | st.lists(_SCALARS, max_size=3), max_size=5))
    return NOTIFICATION | {
        "event_type": draw(_NAMES | st.sampled_from(["a.resolved", "b.acknowledged", "c.closed"])),
        "title": draw(_repeated(1_000)),
        "body": draw(_repeated(100_000) | st.just("")),
        "entity_type": entity[0],
        "entity_id": entity[1],
        "metadata": metadata | {"url": draw(_LINKS)},
    }


def _short() -> st.SearchStrategy[str]:
    return _repeated(100)


def _repeated(limit: int) -> st.SearchStrategy[str]:
    """Texts of any length up to `limit`, quickly made."""
    times = st.sampled_from([1, 2, 50, limit])
    parts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
    return st.tuples(parts, times).map(lambda made: (made[0] * made[1])[:limit])


MESSAGES = st.builds(render, st.uuids().map(str), notifications(), st.sampled_from(Severity))
