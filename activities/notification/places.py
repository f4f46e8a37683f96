"""Where deliveries lead: one destination has one name, and so one rate, whatever it is called."""

from collections.abc import Iterable

from domain.integration.stored import SendingIntegration
from storage.notification import places
from storage.notification.attempts import Outcome
from storage.postgres.statement import Statements


def known_as(integration: SendingIntegration, destination: str) -> str:
    """The vendor's name for it, if it has told one."""
    return integration["places"].get(destination, destination)


async def note_places(
    sql: Statements, integration: SendingIntegration, outcomes: Iterable[Outcome]
) -> None:
    """Learn from what arrived. Writes only what is new, which is seldom anything."""
    for each in outcomes:
        if each.place and known_as(integration, each.destination) != each.place:
            await places.learn(sql, integration, each.destination, each.place)
