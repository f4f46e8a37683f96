"""Starts and wakes the workflows of notification requests, for the API."""

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
_AT_ONCE = 20  # requests woken while the caller waits; the others follow from the outbox


async def start_accepted(temporal: Client, request: RequestRef, events: list[Event]) -> None:
    """Start an accepted request's workflow. If that fails, a worker starts it from the outbox."""
    stated = (stated_severity(event.event_type, event.metadata) for event in events)
    rank = min((severity or Severity.INFO).rank for severity in stated)
    try:
        async with asyncio.timeout(_START_SECONDS):
            await start_notification(temporal, request, len(events), rank)
    except (RPCError, TimeoutError) as error:
        _log.warning("starting request %s is left to the outbox: %r", request.request_id, error)


async def wake_requests(temporal: Client, tenant_id: TenantId, requests: set[UUID]) -> None:
    """Have the requests' workflows look at their deliveries now; one that has ended starts again.

    Only the first 20 are woken here. Workers wake the others, and all of them if this fails, from
    the outbox within seconds.
    """
    try:
        async with asyncio.timeout(_START_SECONDS):
            for request_id in sorted(requests)[:_AT_ONCE]:
                request = RequestRef(tenant_id=tenant_id, request_id=str(request_id))
                await wake_notification(temporal, request)
    except (RPCError, TimeoutError) as error:
        _log.warning("waking %d requests is left to the outbox: %r", len(requests), error)
