"""Starts accepted requests whose workflow was never started, and wakes requests that wait.

The API may have crashed after it accepted a request, or Temporal may have been unavailable. A
request is woken when something that its deliveries wait for has changed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from temporalio.client import Client
from temporalio.service import RPCError

from storage.notification import outbox
from storage.notification.outbox import OUTBOX_WAKE, Waiting
from storage.postgres.database import FAILURES, Database
from workflows.notification.messages import RequestRef
from workflows.notification.start import start_notification, wake_notification

_EVERY_SECONDS = 3.0
_TURN_SECONDS = 120.0  # the longest wait for a server that vanished without closing connections
_GRACE_SECONDS = 5.0  # the API may still be starting younger requests
_AT_ONCE = 20  # calls at the same time
_RANK = 2  # severity rank of these requests: the outbox has none, and they have waited long enough

_log = logging.getLogger(__name__)


async def keep_starting(client: Client, database: Database) -> None:
    """Look into the outbox every few seconds while the worker runs, even if servers fail."""
    while True:
        try:
            async with asyncio.timeout(_TURN_SECONDS):
                await _look(client, database)
        except FAILURES as error:
            _log.warning("the outbox is tried again later: %s", type(error).__name__)
        except Exception:  # a fault of this program must not end the task for good
            _log.exception("looking into the outbox failed, and is tried again later")
        await asyncio.sleep(_EVERY_SECONDS)


async def _look(client: Client, database: Database) -> None:
    """Wake before starting: requests are woken all the time, and somebody waits for that."""
    found = await outbox.waiting(database, _GRACE_SECONDS)
    await wake_waiting(client, database, [each for each in found if each.kind == OUTBOX_WAKE])
    await start_waiting(client, [each for each in found if each.kind != OUTBOX_WAKE])


async def start_waiting(client: Client, requests: list[Waiting]) -> None:
    """Start each request's workflow. One that runs already is left alone: when it routes its
    events, it deletes the row in the outbox."""

    async def start(each: Waiting) -> None:
        await start_notification(client, _ref(each), each.count, _RANK)

    await _do_each(start, requests)


async def wake_waiting(client: Client, database: Database, requests: list[Waiting]) -> None:
    """Wake each request's workflow, also one that has ended. To wake one twice does no harm."""

    async def wake(each: Waiting) -> None:
        await wake_notification(client, _ref(each))

    if requests:
        done = await _do_each(wake, requests)
        await outbox.woken(database, [row for each in done for row in each.rows])


async def _do_each(
    action: Callable[[Waiting], Awaitable[None]], requests: list[Waiting]
) -> list[Waiting]:
    """Run `action` for each request, a few at the same time; returns those for which it succeeded.
    If Temporal fails, a request waits for the next turn, and the others go on."""
    slots, done = asyncio.Semaphore(_AT_ONCE), list[Waiting]()

    async def one(each: Waiting) -> None:
        async with slots:
            try:
                await action(each)
            except RPCError as error:
                _log.warning("request %s is tried again later: %s", each.subject, error)
            else:
                done.append(each)

    await asyncio.gather(*map(one, requests))
    return done


def _ref(each: Waiting) -> RequestRef:
    return RequestRef(tenant_id=each.tenant_id, request_id=str(each.subject))
