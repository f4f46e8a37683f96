"""Starts what was accepted and never started: whoever accepted it crashed, or found no Temporal."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from storage import outbox
from storage.database import DRIVER_ERRORS, Database
from storage.outbox import Waiting
from workflows.messages import RequestRef
from workflows.starting import start_notification

_EVERY_SECONDS = 3.0
_GRACE_SECONDS = 5.0  # what is younger is in the hands of the API still
_RANK = 2  # nobody says how urgent it is; it has waited long enough

_log = logging.getLogger(__name__)


async def keep_starting(client: Client, database: Database) -> None:
    """Look every few seconds, for as long as the worker runs, whatever happens meanwhile."""
    while True:
        try:
            await start_waiting(client, await outbox.waiting(database, _GRACE_SECONDS))
        except (SQLAlchemyError, *DRIVER_ERRORS, RPCError, OSError) as error:
            _log.warning("the outbox has to wait: %s", type(error).__name__)
        await asyncio.sleep(_EVERY_SECONDS)


async def start_waiting(client: Client, requests: list[Waiting]) -> None:
    """Start each; one that runs already is left alone, and takes its row away itself."""
    for each in requests:
        request = RequestRef(tenant_id=each.tenant_id, request_id=str(each.subject))
        await start_notification(client, request, each.count, _RANK)
