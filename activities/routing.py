"""Opens a request: routes its events to channels, and sends the first round of a small one."""

import asyncio
from datetime import timedelta
from uuid import UUID

from temporalio import activity

from activities.delivering import Delivering, Found, Share, lane_of
from activities.heartbeat import heartbeating
from activities.job import Connections
from activities.places import place_of
from channels.channel import Outgoing
from channels.options import read
from domain.delivery import LATEST_SECONDS
from domain.message import render
from domain.notification import deadline
from domain.routing import routes
from domain.tenant import TenantId
from storage import delivery, routing
from storage.delivery import Route
from storage.statement import Row, Statements
from workflows import messages as m
from workflows import steps

_AT_ONCE = 50  # deliveries of a request that is sent where it is routed, without a step between
_LATEST = timedelta(seconds=LATEST_SECONDS)


class Routing:
    def __init__(self, connections: Connections, delivering: Delivering) -> None:
        self._database, self._delivering = connections.database, delivering

    @activity.defn(name=steps.open_request.name)
    async def open_request(self, input: m.RequestRef) -> m.Opened:
        """Route what is not routed yet; what is open then, lane by lane."""
        tenant_id, request_id = TenantId(input.tenant_id), UUID(input.request_id)
        found: dict[Share, Found] = {}
        try:
            async with heartbeating():
                async with self._database.statements(tenant_id) as sql:
                    integrations = await self._route(sql, tenant_id, request_id)
                    total = await routing.count(sql, request_id)
                    rows = await delivery.lanes(sql, request_id, None)
                    if integrations and total <= _AT_ONCE:
                        # In the transaction that routed: nobody has to look for it again.
                        for row in rows:
                            share = Share(tenant_id, request_id, row["integration_id"])
                            integration = integrations.get(share.integration_id)
                            found[share] = await self._delivering.claim(sql, share, integration)
                rounds = (self._delivering.round(*each) for each in found.items())
                lanes = await asyncio.gather(*rounds) if found else map(lane_of, rows)
        finally:
            for each in found.values():
                self._delivering.leave(each)
        return m.Opened(deliveries=total, lanes=tuple(lane for lane in lanes if lane.open))

    async def _route(
        self, sql: Statements, tenant_id: TenantId, request_id: UUID
    ) -> dict[UUID, Row]:
        """Write the deliveries of what was not routed; the integrations they go through, by id."""
        notifications = await routing.unrouted(sql, request_id)
        if not notifications:
            return {}
        channels = await routing.active_channels(sql)
        users = {str(each["recipient"]["id"]) for each in notifications if each["recipient"]}
        preferences = await routing.preferences(sql, users)
        found = [
            self._delivery(tenant_id, notification, channel)
            for notification, channel in routes(notifications, channels, preferences)
        ]
        if found:
            await delivery.insert_routes(sql, request_id, found)
        await routing.routed(sql, request_id)
        return {channel["integration_id"]: channel["integration"] for channel in channels}

    def _delivery(self, tenant_id: TenantId, notification: Row, channel: Row) -> Route:
        target = self._delivering.targets.of(tenant_id, channel["integration"])
        message = render("", notification, target.config.severity)
        options, _ = read(target.channel, channel["options"])  # if invalid, said when it is sent
        outgoing = Outgoing(message, target.config, options)
        created = notification["created_at"]
        return Route(
            notification_id=notification["id"],
            channel_id=channel["id"],
            destination=place_of(target, outgoing, channel),
            alert_key=message.alert_key if target.channel.limits.alerts else None,
            rank=message.severity.rank,
            deadline_at=deadline(created, notification["expires_at"], created + _LATEST),
        )
