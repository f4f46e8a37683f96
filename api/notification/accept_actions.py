"""Accepts what people do to entities in other tools: each action once, as an event."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from domain.notification.event import Action, Event, action
from domain.notification.inbound import VendorAction, changes, event_of, state_after
from domain.tenant import TenantId
from integrations.inbound import Report
from storage.integration import integrations as integration
from storage.notification import inbound
from storage.notification import notifications as notification
from storage.notification.notifications import Sender
from storage.postgres.database import Database, statements
from workflows.notification.messages import RequestRef

_MOST = 20  # actions of one call; vendors report one, and each takes some queries


@dataclass(frozen=True, slots=True)
class Source:
    """The integration in whose tool the actions were done, and the name of its type."""

    tenant_id: TenantId
    integration_id: UUID
    vendor: str
    sender: Sender


@dataclass(frozen=True, slots=True)
class AcceptedActions:
    """The events that follow from actions, and the request that their workflow is started for. No
    events: nothing changed, or the actions were accepted before."""

    request: RequestRef
    events: list[Event] = field(default_factory=list)


async def accept_actions(database: Database, source: Source, report: Report) -> AcceptedActions:
    """Accept the events that follow from the reported actions, as one request, and say in the
    integration's log who did what."""
    request_id, found = uuid4(), dict[VendorAction, Event]()
    ref = RequestRef(tenant_id=source.tenant_id, request_id=str(request_id))
    id, key = source.integration_id, f"{source.integration_id} {report.key}"
    async with database.tenant(source.tenant_id) as connection:
        sql = await statements(connection)
        states: dict[str, list[Action]] = {}
        for done in report.actions[:_MOST]:
            alert_key = await inbound.key_of(sql, id, done)
            told = await inbound.events_of(sql, id, alert_key) if alert_key else []
            if not told:
                continue
            known = states.setdefault(str(alert_key), [action(e["event_type"]) for e in told])
            if changes(state_after(known), done.action):
                known.append(done.action)
                found[done] = event_of(done, source.vendor, told[-1], key)
        if not found:
            return AcceptedActions(ref)
        events = [*found.values()]
        accepted = await notification.accept(
            connection, source.tenant_id, request_id, events, source.sender
        )
        if not accepted.new:
            return AcceptedActions(ref)
        for done, event in found.items():
            await integration.log(connection, id, _entry(done, event))
    return AcceptedActions(ref, events)


def _entry(done: VendorAction, event: Event) -> integration.LogEntry:
    return {
        "level": "info",
        "action": f"inbound_{done.action}",
        "detail": f"{event.title}: {event.entity_type} {event.entity_id}",
    }
