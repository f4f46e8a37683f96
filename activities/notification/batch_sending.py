"""Sends a claimed batch and has it recorded: together where repetitions do no harm, else singly."""

import asyncio
import random
import time

from temporalio import activity

from activities.notification.batch import ClaimedBatch
from activities.notification.claiming import Claims
from activities.notification.finishing import all_of, at_last, finished
from activities.notification.limiter import ConcurrencyLimiter
from activities.notification.recording import Recorder
from activities.notification.sending import Attempt, send, wait_for_slot
from egress.client import Egress
from storage.notification.attempts import Outcome
from storage.notification.claims import Claimed
from workflows.notification import messages as m

_BATCH_SECONDS = 10.0  # after which a batch's unsent rows are given back
_OFTEN_SECONDS = 1.0  # between the records of a batch whose vendor shows a state
_FINISH_SECONDS = 30.0  # less than the lease


class BatchSender:
    def __init__(
        self, egress: Egress, limiter: ConcurrencyLimiter, claims: Claims, recorder: Recorder
    ) -> None:
        self._egress, self._limiter = egress, limiter
        self._claims, self._recorder = claims, recorder

    async def send(self, batch: ClaimedBatch) -> m.LaneState | None:
        """Send a batch and record it, also if this activity is cancelled meanwhile: what was sent
        and is not on record is sent again, and what was not waits for its lease to end. What is
        left then; None where the next claim had better tell."""
        return await finished(self._send(batch), _FINISH_SECONDS)

    async def _send(self, batch: ClaimedBatch) -> m.LaneState | None:
        stop = asyncio.Event()  # what has not been sent yet had better not be sent now
        stopping = asyncio.create_task(_set_at_shutdown(stop))
        way = self._send_together if batch.target.channel.limits.idempotent else self._send_singly
        try:
            return await way(batch, stop)
        finally:
            stopping.cancel()
            self._claims.release(batch)

    async def _send_together(self, batch: ClaimedBatch, stop: asyncio.Event) -> m.LaneState | None:
        """Up to `granted` at a time; what was not sent, because of time or failures, is given back.

        They are recorded together: a repetition would do no harm, but where the vendor shows a
        state, if people have changed that meanwhile; there it is soon.
        """
        ahead, outcomes, unsent = iter(batch.claimed), list[Outcome](), list[Claimed]()
        end, jitter = time.monotonic() + _BATCH_SECONDS, _jitter()
        integration, is_probe = batch.key.integration_id, batch.granted == 1

        async def one_after_another() -> None:
            for claimed in ahead:
                if not await wait_for_slot(claimed, stop) or time.monotonic() > end:
                    unsent.append(claimed)
                    break
                attempt = Attempt(claimed, batch.target)
                outcomes.append(await send(attempt, self._egress, self._limiter, jitter))
                # Since it was claimed, its endpoint may have come to be tried now and then only.
                is_probing = self._limiter.is_probing(integration) and not is_probe
                if outcomes[-1].discourages or is_probing:
                    stop.set()
            self._claims.release(batch, 1)

        async def record() -> m.LaneState | None:
            ended, left = outcomes[:], unsent[:]
            lane = await self._recorder.record(batch, ended, left)
            del outcomes[: len(ended)], unsent[: len(left)]
            return lane

        sending = asyncio.gather(*(one_after_another() for _ in range(batch.granted)))
        often = _OFTEN_SECONDS if batch.target.channel.limits.stateful else None
        try:
            while (await asyncio.wait([sending], timeout=often))[1]:
                if outcomes:
                    await record()
            await sending
            unsent.extend(ahead)
            return await record()
        except BaseException:  # a cancellation, above all
            sending.cancel()
            unsent.extend(ahead)
            await at_last(record)
            raise

    async def _send_singly(self, batch: ClaimedBatch, stop: asyncio.Event) -> m.LaneState | None:
        """All at once, each to another destination, and each recorded as soon as it ended.

        A cancellation cuts none off, as it would be repeated: it goes on while this process lives.
        """
        jitter, lanes = _jitter(), list[m.LaneState | None]()

        async def one(claimed: Claimed) -> None:
            outcomes, unsent = await self._send_one(batch, claimed, stop, jitter)
            self._claims.release(batch, 1)
            lanes.append(await self._recorder.record(batch, outcomes, unsent))

        sending = asyncio.create_task(all_of(one(each) for each in batch.claimed))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await at_last(lambda: asyncio.wait([sending]))
            raise
        return lanes[-1]

    async def _send_one(
        self, batch: ClaimedBatch, claimed: Claimed, stop: asyncio.Event, jitter: float
    ) -> tuple[list[Outcome], list[Claimed]]:
        """How it ended, or itself, if it was not sent."""
        is_on = await wait_for_slot(claimed, stop)
        if not is_on or time.monotonic() - claimed.at > _BATCH_SECONDS:  # taken for lost by now
            return [], [claimed]
        attempt = Attempt(claimed, batch.target)
        keeping = asyncio.create_task(self._recorder.keep_lease(batch.key.tenant_id, claimed))
        try:
            return [await send(attempt, self._egress, self._limiter, jitter)], []
        finally:
            keeping.cancel()


async def _set_at_shutdown(stop: asyncio.Event) -> None:
    await activity.wait_for_worker_shutdown()
    stop.set()


def _jitter() -> float:
    """One for the whole batch: what failed together is tried again together."""
    return random.uniform(-1, 1)  # noqa: S311
