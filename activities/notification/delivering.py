"""Delivers what is due of one integration: claim, send, record, until nothing is due soon."""

import asyncio
import os
import random
import time
from dataclasses import dataclass
from uuid import UUID

from temporalio import activity

from activities.connections import Connections
from activities.integration.target import Target, Targets
from activities.notification.backlog import LaneKey, later, look, stand_still
from activities.notification.connection_state import note_state
from activities.notification.finishing import all_of, at_last, finished
from activities.notification.gates import Gates
from activities.notification.places import note_places
from activities.notification.sending import Attempt, send, slot
from activities.retrying import until_done
from domain.integration.stored import SendingIntegration
from domain.tenant import TenantId
from storage.notification import attempts as record
from storage.notification import routing
from storage.notification.attempts import Outcome
from storage.notification.claims import Claimed, ClaimPolicy, claim, release, renew
from storage.notification.outbox import note_wakes
from storage.postgres.statement import Statements
from workflows.notification import messages as m
from workflows.notification import steps

_WINDOW = 100  # rows claimed at once where the vendor knows a repetition when it sees one
_WINDOW_SECONDS = 10.0  # after which a window's unsent rows are given back
_OFTEN_SECONDS = 1.0  # between the records of a window whose vendor shows a state
_SOON = 5.0  # what is due sooner is waited for here
_ROUND_SECONDS = 20.0
_FINISH_SECONDS = 30.0  # less than the lease
_RENEW_SECONDS = 10.0  # of a send that takes long
_CROWDED_SECONDS, _BUSY_SECONDS, _PROBING_SECONDS = 0.1, 1.0, 10.0


@dataclass(slots=True)
class Window:
    """What was claimed together: the gates hold `granted` sends for it until it is left."""

    key: LaneKey
    integration: SendingIntegration
    target: Target
    granted: int
    claimed: list[Claimed]
    is_full: bool = False  # there may be more that is due


Found = Window | m.LaneState  # something to send, or when to look again


class DeliverActivities:
    def __init__(self, connections: Connections) -> None:
        self._database, self._egress = connections.database, connections.egress
        self.targets = Targets(connections.vault)
        self._gates = Gates()
        self._worker = f"worker@{os.getpid()}"

    @activity.defn(name=steps.deliver.name)
    async def deliver(self, input: m.DeliverInput) -> m.LaneState:
        """One round: send what is due; what is left, and when to come back."""
        ref = input.request
        key = LaneKey(TenantId(ref.tenant_id), UUID(ref.request_id), UUID(input.integration_id))
        return await self.round(key, await self._claim(key))

    async def round(self, key: LaneKey, found: Found) -> m.LaneState:
        """Send until the key is done, nothing is due soon, or the round has taken long enough."""
        end = time.monotonic() + _ROUND_SECONDS
        while True:
            lane = await self._through(found) if isinstance(found, Window) else found
            if lane is not None and (not lane.open or lane.wait is None or lane.wait > _SOON):
                return lane
            wait = lane.wait if lane is not None and lane.wait is not None else 0.0
            if time.monotonic() + wait > end or activity.is_worker_shutdown():
                return lane or await self._look(key)
            await self._rest(key.tenant_id, wait, end)
            found = await self._claim(key)

    def leave(self, found: Found, count: int | None = None) -> None:
        """Give back `count` sends, or all that a window still holds of the gates; more than it
        holds makes no difference."""
        if isinstance(found, Window):
            left = found.granted if count is None else min(count, found.granted)
            found.granted -= left
            self._gates.leave(found.key.tenant_id, found.key.integration_id, left)

    async def _rest(self, tenant_id: TenantId, seconds: float, end: float) -> None:
        """Sleep, and on while the tenant's sends are all taken, which costs nothing to see here."""
        await asyncio.sleep(seconds)
        while self._gates.is_crowded(tenant_id) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(_CROWDED_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311

    async def _look(self, key: LaneKey) -> m.LaneState:
        async with self._database.statements(key.tenant_id) as sql:
            return await look(sql, key)

    async def _claim(self, key: LaneKey) -> Found:
        """Claim in a transaction of its own."""
        found: Found | None = None
        try:
            async with self._database.statements(key.tenant_id) as sql:
                integration = await routing.integration(sql, key.integration_id)
                found = await self.claim(sql, key, integration)
        except BaseException:  # also where the commit failed
            if found is not None:
                self.leave(found)
            raise
        return found

    async def claim(
        self, sql: Statements, key: LaneKey, integration: SendingIntegration | None
    ) -> Found:
        """Claim what may be sent now, or find out when to look again."""
        if integration is None or not integration["is_active"]:
            return await stand_still(sql, key, integration)
        target = self.targets.of(key.tenant_id, integration)
        cap = target.config.max_in_flight
        granted = self._gates.enter(key.tenant_id, key.integration_id, cap)
        full = None if granted else self._full_for(key)
        claimed, want = list[Claimed](), 0
        try:
            if granted:
                want = _WINDOW if target.channel.limits.keyed and granted > 1 else granted
                claimed = await claim(sql, _policy(target, self._worker), want)
        finally:
            taken = min(granted, len(claimed))
            self._gates.leave(key.tenant_id, key.integration_id, granted - taken)
        if claimed:
            return Window(key, integration, target, taken, claimed, len(claimed) == want)
        return await later(sql, key, target, full)

    def _full_for(self, key: LaneKey) -> float:
        """Seconds that it may take, more or less, until one more may be sent."""
        if self._gates.is_probing(key.integration_id):
            return _PROBING_SECONDS
        return _CROWDED_SECONDS if self._gates.is_crowded(key.tenant_id) else _BUSY_SECONDS

    async def _through(self, window: Window) -> m.LaneState | None:
        """Send a window and record it, also if this activity is cancelled meanwhile: what was sent
        and is not on record is sent again, and what was not waits for its lease to end."""
        return await finished(self._sent(window), _FINISH_SECONDS)

    async def _sent(self, window: Window) -> m.LaneState | None:
        hopeless = asyncio.Event()  # what has not been sent yet had better not be sent now
        stopping = asyncio.create_task(_until_shutdown(hopeless))
        send = self._send_keyed if window.target.channel.limits.keyed else self._send_singly
        try:
            return await send(window, hopeless)
        finally:
            stopping.cancel()
            self.leave(window)

    async def _send_keyed(self, window: Window, hopeless: asyncio.Event) -> m.LaneState | None:
        """Up to `granted` at a time; what was not sent, because of time or failures, is given back.

        They are recorded together: a repetition would do no harm, but where the vendor shows a
        state, if people have changed that meanwhile; there it is soon.
        """
        ahead, outcomes, unsent = iter(window.claimed), list[Outcome](), list[Claimed]()
        end, jitter = time.monotonic() + _WINDOW_SECONDS, _jitter()
        integration, is_probe = window.key.integration_id, window.granted == 1

        async def one_after_another() -> None:
            for claimed in ahead:
                if not await slot(claimed, hopeless) or time.monotonic() > end:
                    unsent.append(claimed)
                    break
                attempt = Attempt(claimed, window.target)
                outcomes.append(await send(attempt, self._egress, self._gates, jitter))
                # Since it was claimed, its endpoint may have come to be tried now and then only.
                is_probing = self._gates.is_probing(integration) and not is_probe
                if outcomes[-1].discourages or is_probing:
                    hopeless.set()
            self.leave(window, 1)

        async def recorded() -> m.LaneState | None:
            ended, left = outcomes[:], unsent[:]
            lane = await self._record(window, ended, left)
            del outcomes[: len(ended)], unsent[: len(left)]
            return lane

        sending = asyncio.gather(*(one_after_another() for _ in range(window.granted)))
        often = _OFTEN_SECONDS if window.target.channel.limits.stateful else None
        try:
            while (await asyncio.wait([sending], timeout=often))[1]:
                if outcomes:
                    await recorded()
            await sending
            unsent.extend(ahead)
            return await recorded()
        except BaseException:  # a cancellation, above all
            sending.cancel()
            unsent.extend(ahead)
            await at_last(recorded)
            raise

    async def _send_singly(self, window: Window, hopeless: asyncio.Event) -> m.LaneState | None:
        """All at once, each to another destination, and each recorded as soon as it ended.

        A cancellation cuts none off, as it would be repeated: it goes on while this process lives.
        """
        jitter, lanes = _jitter(), list[m.LaneState | None]()

        async def one(claimed: Claimed) -> None:
            tried = await self._send_one(window, claimed, hopeless, jitter)
            self.leave(window, 1)
            lanes.append(await self._record(window, *tried))

        sending = asyncio.create_task(all_of(one(each) for each in window.claimed))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            await at_last(lambda: asyncio.wait([sending]))
            raise
        return lanes[-1]

    async def _send_one(
        self, window: Window, claimed: Claimed, hopeless: asyncio.Event, jitter: float
    ) -> tuple[list[Outcome], list[Claimed]]:
        """How it ended, or itself, if it was not sent."""
        is_on = await slot(claimed, hopeless)
        if not is_on or time.monotonic() - claimed.at > _WINDOW_SECONDS:  # taken for lost by now
            return [], [claimed]
        attempt = Attempt(claimed, window.target)
        keeping = asyncio.create_task(self._keep(window.key.tenant_id, claimed))
        try:
            return [await send(attempt, self._egress, self._gates, jitter)], []
        finally:
            keeping.cancel()

    async def _keep(self, tenant_id: TenantId, claimed: Claimed) -> None:
        """Tell the others now and then that a send, which may take a mail server ten minutes, is
        still in good hands."""

        async def renewed() -> None:
            async with self._database.statements(tenant_id) as sql:
                await renew(sql, claimed)

        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            await until_done(renewed)

    async def _record(
        self, window: Window, outcomes: list[Outcome], unsent: list[Claimed]
    ) -> m.LaneState | None:
        """Write what became of them, as soon as the database can: what is over and not on record
        is sent again, and not every vendor would notice. It is never too late for that, as what
        others have closed or claimed since is theirs."""
        lane = await until_done(lambda: self._recorded(window, outcomes, unsent))
        if any(each.doubts_destination for each in outcomes):
            window.integration["in_doubt"] = True  # what arrives of the window later ends it
        return lane

    async def _recorded(
        self, window: Window, outcomes: list[Outcome], unsent: list[Claimed]
    ) -> m.LaneState | None:
        """What is left then; None where the next claim had better tell."""
        key = window.key
        async with self._database.statements(key.tenant_id) as sql:
            # The integration first, then its deliveries, then destinations, as a change of it has
            # them: two that lock each other's rows in another order would wait for each other.
            await note_state(sql, window.integration, outcomes)
            await note_places(sql, window.integration, outcomes)
            await record.complete(sql, window.integration, outcomes)
            if unsent:
                await release(sql, unsent)
            await note_wakes(sql, _others(window, outcomes, unsent))
            # Behind a full window of the request's own comes a claim, which tells as well.
            own = any(each.request_id == key.request_id for each in window.claimed)
            goes_on = window.is_full and own and not unsent
            return None if goes_on else await look(sql, key)


def _others(window: Window, outcomes: list[Outcome], unsent: list[Claimed]) -> set[UUID]:
    """Other requests that this round sent for in vain, or did not send for in the end: their lanes
    may sleep for too long now."""
    failed = {each.delivery_id for each in outcomes if each.wait is not None}
    left = [*unsent, *(each for each in window.claimed if each.delivery_id in failed)]
    return {each.request_id for each in left} - {window.key.request_id}


async def _until_shutdown(stopping: asyncio.Event) -> None:
    await activity.wait_for_worker_shutdown()
    stopping.set()


def _jitter() -> float:
    """One for the whole window: what failed together is tried again together."""
    return random.uniform(-1, 1)  # noqa: S311


def _policy(target: Target, worker: str) -> ClaimPolicy:
    limits = target.channel.limits
    speed = (limits.keyed, target.interval)
    return ClaimPolicy(target.integration_id, *speed, worker, limits.stateful)
