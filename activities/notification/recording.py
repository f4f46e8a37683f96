"""Writes down how sends ended, in one transaction with what follows from it."""

import asyncio
from uuid import UUID

from activities.notification.backlog import look
from activities.notification.batch import ClaimedBatch
from activities.notification.connection_state import note_state
from activities.notification.places import note_places
from activities.retrying import until_done
from domain.tenant import TenantId
from storage.notification import attempts
from storage.notification.attempts import Outcome
from storage.notification.claims import Claimed, release, renew
from storage.notification.outbox import note_wakes
from storage.postgres.database import Database
from workflows.notification import messages as m

_RENEW_SECONDS = 10.0  # of a send that takes long


class Recorder:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, batch: ClaimedBatch, outcomes: list[Outcome], unsent: list[Claimed]
    ) -> m.LaneState | None:
        """Write what became of them, as soon as the database can: what is over and not on record
        is sent again, and not every vendor would notice. It is never too late for that, as what
        others have closed or claimed since is theirs. What is left then; None where the next claim
        had better tell."""
        lane = await until_done(lambda: self._write(batch, outcomes, unsent))
        if any(each.doubts_destination for each in outcomes):
            batch.integration["in_doubt"] = True  # what arrives of the batch later ends it
        return lane

    async def _write(
        self, batch: ClaimedBatch, outcomes: list[Outcome], unsent: list[Claimed]
    ) -> m.LaneState | None:
        key = batch.key
        async with self._database.statements(key.tenant_id) as sql:
            # The integration first, then its deliveries, then destinations, as a change of it has
            # them: two that lock each other's rows in another order would wait for each other.
            await note_state(sql, batch.integration, outcomes)
            await note_places(sql, batch.integration, outcomes)
            await attempts.complete(sql, batch.integration, outcomes)
            if unsent:
                await release(sql, unsent)
            await note_wakes(sql, _others(batch, outcomes, unsent))
            # Behind a full batch of the request's own comes a claim, which tells as well.
            own = any(each.request_id == key.request_id for each in batch.claimed)
            goes_on = batch.is_full and own and not unsent
            return None if goes_on else await look(sql, key)

    async def keep_lease(self, tenant_id: TenantId, claimed: Claimed) -> None:
        """Tell the others now and then, for ever, that a send, which may take a mail server ten
        minutes, is still in good hands."""

        async def renewed() -> None:
            async with self._database.statements(tenant_id) as sql:
                await renew(sql, claimed)

        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            await until_done(renewed)


def _others(batch: ClaimedBatch, outcomes: list[Outcome], unsent: list[Claimed]) -> set[UUID]:
    """Other requests that this round sent for in vain, or did not send for in the end: their lanes
    may sleep for too long now."""
    failed = {each.delivery_id for each in outcomes if each.wait is not None}
    left = [*unsent, *(each for each in batch.claimed if each.delivery_id in failed)]
    return {each.request_id for each in left} - {batch.key.request_id}
