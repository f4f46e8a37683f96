"""Reads, checks and draws the demo's messages as their receivers got them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from rich.console import Group, RenderableType
from rich.json import JSON
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from commands.client import Json, Refused

INCIDENT = "INC0000002"  # in examples/demo/incidents.xml


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that a receiver got, `after` so many seconds since the event was posted."""

    kind: str
    after: float
    path: str
    headers: dict[str, str]
    body: Json
    answered: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The parts of a message to show; `facts` are values by name."""

    title: str
    text: RenderableType
    facts: dict[str, str]
    below: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Vendor:
    """How to read a message of this vendor, and its receiver's answer to a message without fault.

    Receivers answer as the vendors do, also to bad tokens, keys, signatures, blocks and cards.
    """

    name: str
    read: Callable[[Arrival], Reading]
    answer: int
    expected: dict[str, str] = field(default_factory=dict)  # the facts to check


def arrived(kind: str, received_url: str, since: float) -> Arrival:
    """The only request since `since` (Unix time). Raises Refused if there is none, or several."""
    listed = httpx.get(received_url, trust_env=False).json()
    found = [each for each in listed if each["at"] >= since]
    if len(found) != 1:
        raise Refused(f"{kind} should have received one message, and received {len(found)}")
    [each] = found
    headers = {name.lower(): value for name, value in each["headers"].items()}
    body, path = json.loads(each["body"]), each["path"].partition("?")[0]
    return Arrival(kind, each["at"] - since, path, headers, body, each["status"])


def check(arrival: Arrival, title: str) -> None:
    """Raises Refused unless the message has the title, answer and facts expected of the vendor."""
    vendor, reading = VENDORS[arrival.kind], _read(arrival)
    wanted = {"title": title, "answer": vendor.answer, **vendor.expected}
    found = {"title": reading.title, "answer": arrival.answered}
    found |= {name: reading.facts.get(name) for name in vendor.expected}
    if found != wanted:
        raise Refused(f"{vendor.name} should have received {wanted}, and received {found}")


def panel(arrival: Arrival) -> Panel:
    """The message as a box for a terminal."""
    vendor, reading = VENDORS[arrival.kind], _read(arrival)
    facts = Table.grid(padding=(0, 2))
    for name, value in reading.facts.items():
        facts.add_row(Text(name, "dim"), Text(value))
    parts = [Text(reading.title, "bold red"), reading.text, Text(), facts]
    if reading.below:
        parts.append(Text(reading.below, "dim"))
    if reading.link:
        parts += [Text(), Text.assemble((" Open ", "reverse"), f"  {reading.link}")]
    about = f"{vendor.name} · POST {arrival.path} · answered {arrival.answered}"
    return Panel(
        Group(*parts),
        title=Text(about, overflow="ellipsis"),
        title_align="left",
        border_style="red",
    )


def _read(arrival: Arrival) -> Reading:
    """The message's parts. Raises Refused if one is missing."""
    vendor = VENDORS[arrival.kind]
    try:
        return vendor.read(arrival)
    except (LookupError, TypeError, ValueError) as error:
        raise Refused(f"{vendor.name} received an incomplete message: {error!r}") from error


def _slack(arrival: Arrival) -> Reading:
    blocks = {block["type"]: block for block in arrival.body["blocks"]}
    sections = [block for block in arrival.body["blocks"] if block["type"] == "section"]
    fields = [each["text"].split("\n") for block in sections for each in block.get("fields", ())]
    return Reading(
        title=blocks["header"]["text"]["text"],
        text=Text(sections[0]["text"]["text"]),
        facts={"channel": arrival.body["channel"], **dict(fields)},
        below=" · ".join(each["text"] for each in blocks["context"]["elements"]),
        link=next(each["url"] for each in blocks["actions"]["elements"] if "url" in each),
    )


def _teams(arrival: Arrival) -> Reading:
    card = arrival.body["attachments"][0]["content"]
    [title], [body], *facts = ([run["text"] for run in each["inlines"]] for each in card["body"])
    return Reading(
        title=title,
        text=Text(body),
        facts={name.removesuffix(": "): value for name, value in facts},
        link=card["actions"][0]["url"],
    )


def _pagerduty(arrival: Arrival) -> Reading:
    payload, event = arrival.body["payload"], arrival.body
    names = ("severity", "source", "component", "group", "class")
    return Reading(
        title=payload["summary"],
        text=Text(payload["custom_details"]["body"]),
        facts={
            "event_action": event["event_action"],
            "dedup_key": event["dedup_key"],
            **{name: payload[name] for name in names if name in payload},
        },
        link=event["links"][0]["href"],
    )


def _webhook(arrival: Arrival) -> Reading:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    verdict = "verified by the receiver" if arrival.answered == 204 else "refused by the receiver"
    event = JSON.from_data(arrival.body).text
    event.no_wrap = False
    return Reading(
        title=arrival.body["data"]["title"],
        text=event,
        facts={name: arrival.headers[name] for name in names} | {"signature": verdict},
    )


VENDORS = {
    "slack": Vendor("Slack", _slack, 200, {"channel": "#incidents", "service": "mail"}),
    "teams": Vendor("Teams", _teams, 202, {"Severity": "critical", "service": "mail"}),
    "pagerduty": Vendor("PagerDuty", _pagerduty, 202, {"dedup_key": f"incident_{INCIDENT}"}),
    "generic_webhook": Vendor("Webhook", _webhook, 204, {"signature": "verified by the receiver"}),
}
