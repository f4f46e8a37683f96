"""Starts what was accepted and never started, as whoever accepted it crashed or found no Temporal;
and wakes what waits for something that has changed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from storage.notification import outbox
from storage.notification.outbox import OUTBOX_WAKE, Waiting
from storage.postgres.database import DRIVER_ERRORS, Database
from workflows.notification.messages import RequestRef
from workflows.notification.start import start_notification, wake_notification

_EVERY_SECONDS = 3.0
_TURN_SECONDS = 120.0  # a server that vanished without a word is waited for no longer
_GRACE_SECONDS = 5.0  # what is younger is in the hands of the API still
_AT_ONCE = 20  # calls at the same time
_RANK = 2  # nobody says how urgent it is; it has waited long enough

_log = logging.getLogger(__name__)


async def keep_starting(client: Client, database: Database) -> None:
    """Look every few seconds, for as long as the worker runs, whatever happens meanwhile."""
    while True:
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await _look(client, database)
        except (SQLAlchemyError, *DRIVER_ERRORS, OSError) as error:
            _log.warning("the outbox has to wait: %s", type(error).__name__)
        await asyncio.sleep(_EVERY_SECONDS)


async def _look(client: Client, database: Database) -> None:
    """Wake first: that is what comes up all the time, and what somebody waits for."""
    found = await outbox.waiting(database, _GRACE_SECONDS)
    await wake_waiting(client, database, [e for e in found if e.kind == OUTBOX_WAKE])
    await start_waiting(client, [each for each in found if each.kind != OUTBOX_WAKE])


async def start_waiting(client: Client, requests: list[Waiting]) -> None:
    """Start each; one that runs already is left alone, and takes its row away itself."""

    async def start(each: Waiting) -> None:
        await start_notification(client, _ref(each), each.count, _RANK)

    await _done(start, requests)


async def wake_waiting(client: Client, database: Database, requests: list[Waiting]) -> None:
    """Signal each, also those that have ended. What is signalled twice looks twice."""

    async def wake(each: Waiting) -> None:
        await wake_notification(client, _ref(each))

    if requests:
        done = await _done(wake, requests)
        await outbox.woken(database, [row for each in done for row in each.rows])


async def _done(
    what: Callable[[Waiting], Awaitable[None]], requests: list[Waiting]
) -> list[Waiting]:
    """Do it to each, a few at the same time; those that it was done to. What Temporal does not take
    now waits for the next turn, and is not in the way of the others."""
    some, done = asyncio.Semaphore(_AT_ONCE), list[Waiting]()

    async def one(each: Waiting) -> None:
        async with some:
            try:
                await what(each)
            except RPCError as error:
                _log.warning("%s has to wait: %s", each.subject, error)
            else:
                done.append(each)

    await asyncio.gather(*map(one, requests))
    return done


def _ref(each: Waiting) -> RequestRef:
    return RequestRef(tenant_id=each.tenant_id, request_id=str(each.subject))
