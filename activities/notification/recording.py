"""Records how sends ended, in one transaction with all that follows from it."""

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
from storage.notification.claimed import Claimed
from storage.notification.leases import release, renew
from storage.notification.outbox import note_wakes
from storage.postgres.database import Database
from workflows.notification import messages as m

_RENEW_SECONDS = 10.0  # between two renewals of the lease of a send that takes long


class Recorder:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, batch: ClaimedBatch, outcomes: list[Outcome], unsent: list[Claimed]
    ) -> m.LaneState | None:
        """Record outcomes and give unsent deliveries back, as soon as the database is available: a
        send without a record is repeated, and not every vendor would notice. It is never too late
        for that, as attempts that others have closed or claimed since are left alone.

        The lane's state after that; None if the next claim tells it.
        """
        lane = await until_done(lambda: self._write(batch, outcomes, unsent))
        if any(each.doubts_destination for each in outcomes):
            batch.integration["in_doubt"] = True  # so that a later success of the batch ends it
        return lane

    async def _write(
        self, batch: ClaimedBatch, outcomes: list[Outcome], unsent: list[Claimed]
    ) -> m.LaneState | None:
        key = batch.key
        async with self._database.statements(key.tenant_id) as sql:
            # Rows are locked in this order: integration, deliveries, destinations. A change of an
            # integration uses the same order, so that the two never deadlock.
            await note_state(sql, batch.integration, outcomes)
            await note_places(sql, batch.integration, outcomes)
            await attempts.complete(sql, batch.integration, outcomes)
            if unsent:
                await release(sql, unsent)
            await note_wakes(sql, _others(batch, outcomes, unsent))
            # A full batch with deliveries of this request is followed by a claim, which tells the
            # state as well.
            own = any(each.request_id == key.request_id for each in batch.claimed)
            goes_on = batch.is_full and own and not unsent
            return None if goes_on else await look(sql, key)

    async def keep_lease(self, tenant_id: TenantId, claimed: Claimed) -> None:
        """Renew the lease of a delivery every 10 s until cancelled, so that no other worker takes a
        long send for lost: a mail server may take ten minutes."""

        async def renewed() -> None:
            async with self._database.statements(tenant_id) as sql:
                await renew(sql, claimed)

        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            await until_done(renewed)


def _others(batch: ClaimedBatch, outcomes: list[Outcome], unsent: list[Claimed]) -> set[UUID]:
    """The other requests whose deliveries failed or were given back: their lanes may now sleep too
    long, and are woken."""
    failed = {each.delivery_id for each in outcomes if each.wait is not None}
    left = [*unsent, *(each for each in batch.claimed if each.delivery_id in failed)]
    return {each.request_id for each in left} - {batch.key.request_id}
