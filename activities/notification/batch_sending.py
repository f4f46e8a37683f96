"""Sends a claimed batch and records the outcomes.

They are recorded together if the vendor recognises a repeated delivery, else one by one.
"""

import asyncio
import random
import time

from temporalio import activity

from activities.notification.batch import ClaimedBatch
from activities.notification.claiming import Claims
from activities.notification.finishing import all_of, at_last, finished
from activities.notification.limiter import ConcurrencyLimiter
from activities.notification.links import Links
from activities.notification.recording import Recorder
from activities.notification.sending import Attempt, send, wait_for_slot
from egress.client import Egress
from storage.notification.attempts import Outcome
from storage.notification.claimed import Claimed
from workflows.notification import messages as m

_BATCH_SECONDS = 10.0  # after that, a batch's unsent deliveries are given back
_OFTEN_SECONDS = 1.0  # between two recordings of one batch, if its vendor shows a state
_FINISH_SECONDS = 30.0  # less than a delivery's lease (storage/notification/leases.py)


class BatchSender:
    def __init__(
        self,
        egress: Egress,
        limiter: ConcurrencyLimiter,
        claims: Claims,
        recorder: Recorder,
        links: Links,
    ) -> None:
        self._egress, self._limiter, self._links = egress, limiter, links
        self._claims, self._recorder = claims, recorder

    async def send(self, batch: ClaimedBatch) -> m.LaneState | None:
        """Send a batch and record its outcomes, even if this activity is cancelled meanwhile:
        without a record, a delivery that was sent would be sent again, and one that was not would
        wait until its lease ends. The lane's state after that; None if the next claim tells it."""
        return await finished(self._send(batch), _FINISH_SECONDS)

    async def _send(self, batch: ClaimedBatch) -> m.LaneState | None:
        stop = asyncio.Event()  # once it is set, no further delivery of the batch is sent
        stopping = asyncio.create_task(_set_at_shutdown(stop))
        way = self._send_together if batch.target.channel.limits.idempotent else self._send_singly
        try:
            return await way(batch, stop)
        finally:
            stopping.cancel()
            self._claims.release(batch)

    async def _send_together(self, batch: ClaimedBatch, stop: asyncio.Event) -> m.LaneState | None:
        """Send up to `granted` deliveries at a time. Those that are not sent, for lack of time or
        because others failed, are given back.

        Outcomes are recorded together at the end, as a repetition does no harm. If the vendor shows
        a state, they are recorded every second: a repetition might undo what people changed there.
        """
        ahead, outcomes, unsent = iter(batch.claimed), list[Outcome](), list[Claimed]()
        end, jitter = time.monotonic() + _BATCH_SECONDS, _jitter()
        integration, is_probe = batch.key.integration_id, batch.granted == 1

        async def one_after_another() -> None:
            for claimed in ahead:
                if not await wait_for_slot(claimed, stop) or time.monotonic() > end:
                    unsent.append(claimed)
                    break
                attempt = Attempt(claimed, batch.target, self._links)
                outcomes.append(await send(attempt, self._egress, self._limiter, jitter))
                # Since the claim, the endpoint may have timed out so often that it is only probed.
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
        except BaseException:  # mostly a cancellation
            sending.cancel()
            unsent.extend(ahead)
            await at_last(record)
            raise

    async def _send_singly(self, batch: ClaimedBatch, stop: asyncio.Event) -> m.LaneState | None:
        """Send all deliveries at once, each to another destination, and record each when it ends.

        A cancellation interrupts no send, since it would be repeated: sends go on while this
        process lives.
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
        """The outcome of the delivery, or no outcome and the delivery itself if it was not sent."""
        may_send = await wait_for_slot(claimed, stop)
        is_late = time.monotonic() - claimed.at > _BATCH_SECONDS  # its lease may end during a send
        if not may_send or is_late:
            return [], [claimed]
        attempt = Attempt(claimed, batch.target, self._links)
        keeping = asyncio.create_task(self._recorder.keep_lease(batch.key.tenant_id, claimed))
        try:
            return [await send(attempt, self._egress, self._limiter, jitter)], []
        finally:
            keeping.cancel()


async def _set_at_shutdown(stop: asyncio.Event) -> None:
    await activity.wait_for_worker_shutdown()
    stop.set()


def _jitter() -> float:
    """A number in [-1, 1] for a whole batch: what fails together is tried again together."""
    return random.uniform(-1, 1)  # noqa: S311
