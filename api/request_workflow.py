"""The workflows of requests, as the API reaches them: start what was accepted, wake what waits."""

import asyncio
import logging
from uuid import UUID

from temporalio.client import Client
from temporalio.service import RPCError

from domain.notification.event import Event, Severity, stated_severity
from domain.tenant import TenantId
from workflows.notification.messages import RequestRef
from workflows.notification.start import start_notification, wake_notification

_log = logging.getLogger(__name__)
_START_SECONDS = 5
_AT_ONCE = 20  # workflows that a caller waits for


async def start_accepted(temporal: Client, request: RequestRef, events: list[Event]) -> None:
    """Start what was accepted. If that fails, a worker starts it from the outbox instead."""
    stated = (stated_severity(event.event_type, event.metadata) for event in events)
    rank = min((severity or Severity.INFO).rank for severity in stated)
    try:
        async with asyncio.timeout(_START_SECONDS):
            await start_notification(temporal, request, len(events), rank)
    except (RPCError, TimeoutError) as error:
        _log.warning("%s is left to the outbox: %r", request.request_id, error)


async def wake_requests(temporal: Client, tenant_id: TenantId, requests: set[UUID]) -> None:
    """Have the requests' workflows look at their deliveries now, also those that have ended; many
    of them, or all if that fails, as soon as a worker looks into the outbox."""
    try:
        async with asyncio.timeout(_START_SECONDS):
            for request_id in sorted(requests)[:_AT_ONCE]:
                request = RequestRef(tenant_id=tenant_id, request_id=str(request_id))
                await wake_notification(temporal, request)
    except (RPCError, TimeoutError) as error:
        _log.warning("%d requests are left to the outbox: %r", len(requests), error)
