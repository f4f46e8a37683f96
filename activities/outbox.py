"""Starts what was accepted and never started, as whoever accepted it crashed or found no Temporal;
and wakes what waits for something that has changed."""

import asyncio
import logging
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from storage import outbox
from storage.database import DRIVER_ERRORS, Database
from storage.outbox import OUTBOX_WAKE, Waiting
from workflows.messages import RequestRef
from workflows.starting import start_notification, wake_notification

_EVERY_SECONDS = 3.0
_TURN_SECONDS = 120.0  # a server that vanished without a word is waited for no longer
_GRACE_SECONDS = 5.0  # what is younger is in the hands of the API still
_AT_ONCE = 20  # signals at the same time
_RANK = 2  # nobody says how urgent it is; it has waited long enough

_log = logging.getLogger(__name__)


async def keep_starting(client: Client, database: Database) -> None:
    """Look every few seconds, for as long as the worker runs, whatever happens meanwhile."""
    while True:
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await _look(client, database)
        except (SQLAlchemyError, *DRIVER_ERRORS, RPCError, OSError) as error:
            _log.warning("the outbox has to wait: %s", type(error).__name__)
        await asyncio.sleep(_EVERY_SECONDS)


async def _look(client: Client, database: Database) -> None:
    found = await outbox.waiting(database, _GRACE_SECONDS)
    await start_waiting(client, [each for each in found if each.kind != OUTBOX_WAKE])
    await wake_waiting(client, database, [e for e in found if e.kind == OUTBOX_WAKE])


async def start_waiting(client: Client, requests: list[Waiting]) -> None:
    """Start each; one that runs already is left alone, and takes its row away itself."""
    for each in requests:
        request = RequestRef(tenant_id=each.tenant_id, request_id=str(each.subject))
        await start_notification(client, request, each.count, _RANK)


async def wake_waiting(client: Client, database: Database, requests: list[Waiting]) -> None:
    """Signal each, also those that have ended. What is signalled twice looks twice; what cannot be
    signalled now is not in the way of the others."""
    some = asyncio.Semaphore(_AT_ONCE)

    async def wake(each: Waiting) -> None:
        async with some:
            request = RequestRef(tenant_id=each.tenant_id, request_id=str(each.subject))
            try:
                await wake_notification(client, request)
            except RPCError as error:
                _log.warning("%s is woken later: %s", each.subject, error)
            else:
                done.extend(each.rows)

    done: list[UUID] = []
    if requests:
        await asyncio.gather(*(wake(each) for each in requests))
        await outbox.woken(database, done)
