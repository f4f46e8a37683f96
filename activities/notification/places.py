"""Gives each destination one name, and so one rate, even if people use several names for it."""

from collections.abc import Iterable

from domain.integration.stored import SendingIntegration
from storage.notification import places
from storage.notification.attempts import Outcome
from storage.postgres.statement import Statements


def known_as(integration: SendingIntegration, destination: str) -> str:
    """The vendor's own name for `destination`, if an answer has told it; else `destination`."""
    return integration["places"].get(destination, destination)


async def note_places(
    sql: Statements, integration: SendingIntegration, outcomes: Iterable[Outcome]
) -> None:
    """Store the vendor's names of destinations from its answers, if they are new. Few are."""
    for each in outcomes:
        if each.place and known_as(integration, each.destination) != each.place:
            await places.learn(sql, integration, each.destination, each.place)
