"""Opens a request: routes its events to channels, and sends a small request at once."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from temporalio import activity

from activities.connections import Connections
from activities.notification.backlog import lane_of
from activities.notification.batch import Found, LaneKey
from activities.notification.delivering import DeliverActivities
from activities.notification.finishing import all_of
from activities.notification.new_deliveries import (
    decisions_again,
    is_of,
    lasts_as_before,
    routed,
    unplaced,
)
from domain.integration.stored import SendingIntegration
from domain.notification.event import Severity, StoredEvent
from domain.notification.preference import Preferences
from domain.notification.routing import RoutedEvent, RoutingChannel, StoredChannel, routes
from domain.tenant import TenantId
from integrations import CHANNELS
from storage.notification import deliveries as delivery
from storage.notification import destinations as destination
from storage.notification.routing import inputs
from storage.notification.routing import new_deliveries as route
from storage.notification.routing.new_deliveries import MarkedDelivery, Route
from storage.postgres.statement import Statements
from workflows.notification import messages as m
from workflows.notification import steps

Now = tuple[Sequence[RoutingChannel], Mapping[str, Preferences]]  # channels, users' preferences

_AT_ONCE = 50  # the most deliveries of a request that the routing activity sends itself


class RouteActivities:
    def __init__(self, connections: Connections, delivering: DeliverActivities) -> None:
        self._database, self._delivering = connections.database, delivering
        self._claims = delivering.claims

    @activity.defn(name=steps.open_request.name)
    async def open_request(self, input: m.RequestRef) -> m.Opened:
        """Route the events that are not routed yet, and send a small request at once. The result
        names the lanes that are open after that."""
        tenant_id, request_id = TenantId(input.tenant_id), UUID(input.request_id)
        found: dict[LaneKey, Found] = {}
        try:
            async with self._database.statements(tenant_id) as sql:
                at_once = await self._route(sql, tenant_id, request_id)
                total = await inputs.count(sql, request_id)
                rows = await delivery.lanes(sql, request_id, None)
                if at_once is not None and total <= _AT_ONCE:
                    # Claimed in the transaction that routed, which saves a query for them later.
                    # Slow lanes are left out: the others would wait for them to end.
                    for row in (each for each in rows if not _is_slow(each["type"])):
                        key = LaneKey(tenant_id, request_id, row["integration_id"])
                        # An older delivery may use an integration that no channel uses now.
                        integration = at_once.get(key.integration_id) or (
                            await inputs.integration(sql, key.integration_id)
                        )
                        found[key] = await self._claims.take_within(sql, key, integration)
            rounds = (self._delivering.round(*each) for each in found.items())
            begun = {str(key.integration_id) for key in found}
            left = [lane for lane in map(lane_of, rows) if lane.integration_id not in begun]
            lanes = [*await all_of(rounds), *left]
        finally:
            for each in found.values():
                self._claims.release(each)
        return m.Opened(deliveries=total, lanes=tuple(lane for lane in lanes if lane.open))

    async def _route(
        self, sql: Statements, tenant_id: TenantId, request_id: UUID
    ) -> dict[UUID, SendingIntegration] | None:
        """Write the deliveries of events that are not routed yet, and route marked deliveries
        again. The integrations of all channels, by id; None if nothing may be sent at once."""
        notifications = await inputs.unrouted(sql, request_id)
        marked = await route.marked(sql, request_id)
        if not notifications and not marked:
            return None
        now = await self._now(sql, tenant_id, notifications, marked)
        made = [each for row in marked for each in await self._reroute(sql, tenant_id, row, now)]
        resent = {row["id"]: row["resent_at"] for row in marked if row["resent_at"]}
        events = [RoutedEvent(**each, resent_at=resent.get(each["id"])) for each in notifications]
        # Existing deliveries of these events may lead to places that no channel leads to now.
        taken = await route.places(sql, {row["id"] for row in marked}) if marked else ()
        found = [*routed(self._delivering.targets, tenant_id, routes(events, *now), taken)]
        await route.insert_routes(sql, request_id, found)
        await inputs.routed(sql, request_id, [each["id"] for each in notifications])
        if resent:
            # These destinations stay locked until the commit. To claim now would lock others out of
            # the usual order, which could deadlock.
            await _lift(sql, [each for each in made + found if each.notification_id in resent])
            return None
        integrations = (each["integration"] for each in now[0])
        return {each["id"]: each for each in integrations if each is not None}

    async def _now(
        self,
        sql: Statements,
        tenant_id: TenantId,
        events: Sequence[StoredEvent],
        marked: Sequence[MarkedDelivery],
    ) -> Now:
        """The channels and preferences by which these events and marked deliveries are routed."""
        users = {str(each["recipient"]["id"]) for each in (*events, *marked) if each["recipient"]}
        preferences = await inputs.preferences(sql, users)
        named = {id for own in preferences.values() for id in own.channels or ()}
        led_through = {each["channel_id"] for each in marked if each["channel_id"]}
        channels = [
            RoutingChannel(**channel, severity=self._severity(tenant_id, channel))
            for channel in await inputs.channels(sql, named | led_through)
        ]
        return channels, preferences

    def _severity(self, tenant_id: TenantId, channel: StoredChannel) -> Severity:
        """The severity that events without one have in this channel."""
        integration = channel["integration"]
        if integration is None:
            return Severity.INFO
        return self._delivering.targets.of(tenant_id, integration).config.severity

    async def _reroute(
        self, sql: Statements, tenant_id: TenantId, row: MarkedDelivery, now: Now
    ) -> list[Route]:
        """Route a delivery again, by its channel, integration and recipients as they are now, and
        write its routes, which are returned."""
        taken = await route.places(sql, [row["id"]])
        targets, decisions = self._delivering.targets, decisions_again(row, *now)
        again = routed(targets, tenant_id, decisions, taken)
        found = [lasts_as_before(each, row) for each in again]
        mine = next((each for each in found if is_of(each, row)), None)
        # There may be more recipients now if the delivery had none (as without a channel), or if it
        # is routed again because its channel has changed.
        is_anew = not row["told"] or not row["resent_at"]
        others = [each for each in found if each is not mine] if is_anew else []
        await route.insert_routes(sql, row["request_id"], others)
        if mine is None and row["channel_id"] is None:
            await route.remove(sql, row["delivery_id"])
            return others
        mine = mine or unplaced(row, found[0])
        await route.reroute(sql, row["delivery_id"], mine)
        return [mine, *others]


def _is_slow(kind: str | None) -> bool:
    channel = CHANNELS.get(kind or "")
    return channel is not None and channel.limits.slow


async def _lift(sql: Statements, routes: Sequence[Route]) -> None:
    """Let the destinations of events that somebody sends again be tried now, even those that rest
    or are in doubt."""
    to = {(e.integration_id, e.destination) for e in routes if e.goes_out and e.integration_id}
    await destination.lift(sql, to)
