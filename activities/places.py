"""Where deliveries lead: one destination has one name, and so one rate, whatever it is called."""

from collections.abc import Iterable
from typing import Any

from activities.target import Target
from channels.channel import Outgoing
from channels.options import read
from storage import places
from storage.attempt import Outcome
from storage.statement import Row, Statements

_CHARS = 200


def place_of(target: Target, outgoing: Outgoing[Any], channel: Row) -> str:
    """The destination of a notification channel (`id`, `options`, `integration`).

    One whose options are not valid is a place by itself: what waits for it to be mended must not
    hold up what goes to any real place.
    """
    if read(target.channel, channel["options"])[1] is not None:
        return f"channel {channel['id']}"
    return known_as(channel["integration"], target.channel.destination(outgoing)[:_CHARS])


def known_as(integration: Row, destination: str) -> str:
    """The vendor's name for it, if it has told one."""
    name: str = integration["places"].get(destination, destination)
    return name


async def note_places(sql: Statements, integration: Row, outcomes: Iterable[Outcome]) -> None:
    """Learn from what arrived. Writes only what is new, which is seldom anything."""
    for each in outcomes:
        if each.place and known_as(integration, each.destination) != each.place:
            await places.learn(sql, integration, each.destination, each.place)
