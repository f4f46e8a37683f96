"""The workflow of one accepted request: it is routed, then each integration has its own lane.

Lanes never wait for each other. A delivery that failed is a row with the time of its next attempt;
a lane sleeps until the next such time, or until somebody wakes it because an integration was
corrected or a delivery is to be sent again.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    import workflows.notification.details as details
    import workflows.notification.messages as m
    import workflows.notification.steps as steps

_LONGEST_SLEEP = 6 * 3_600.0  # a lane that stands still looks again after this, woken or not
_AFTER_TROUBLE = 30.0
_LOOK_AGAIN = "lanes look again after an opening"  # a patch: older histories do not look again


# Temporal's sandbox would import this module anew for every workflow, of which there is one for
# each event: that took longer than all its work. Instead, a test restricts what it may import.
@workflow.defn(name="Notification", sandboxed=False)
class NotificationWorkflow:
    @workflow.init
    def __init__(self, input: m.NotificationInput) -> None:
        self._request = input.request
        self._lanes = {lane.integration_id: lane for lane in input.lanes}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._deliveries = input.deliveries
        self._wakes = 0
        self._seen = 0 if input.lanes else -1  # wakes that were handled; -1: not opened yet
        self._due: set[str] = set()  # lanes that must look again: they last did before an opening

    @workflow.signal
    def wake(self) -> None:
        """Something that deliveries may wait for has changed: look at all of them now."""
        self._wakes += 1

    @workflow.run
    async def run(self, input: m.NotificationInput) -> m.Notified:
        self._start()
        while self._seen != self._wakes or not self._is_idle():
            if self._seen != self._wakes:
                woken, self._seen = self._seen >= 0, self._wakes
                await self._open(woken)
                self._start()
            await workflow.wait_condition(lambda: self._seen != self._wakes or self._is_idle())
        if self._lanes:
            lanes, total = tuple(self._lanes.values()), self._deliveries
            workflow.continue_as_new(
                m.NotificationInput(request=self._request, lanes=lanes, deliveries=total)
            )
        return m.Notified(deliveries=self._deliveries)

    def _is_idle(self) -> bool:
        return all(task.done() for task in self._running.values())

    def _is_running(self, name: str) -> bool:
        return name in self._running and not self._running[name].done()

    async def _open(self, woken: bool) -> None:
        """Have unrouted events routed, and learn of the lanes that do not run yet. Running lanes
        look once more: a look before the routing did not see what the routing made due."""
        opened = await self._opened()
        self._deliveries = opened.deliveries
        for lane in opened.lanes:
            if not self._is_running(lane.integration_id):
                now = {"wait": 0.0} if woken else {}
                self._lanes[lane.integration_id] = lane.model_copy(update=now)
            elif lane.wait is not None and workflow.patched(_LOOK_AGAIN):
                self._due.add(lane.integration_id)
        self._show()

    async def _opened(self) -> m.Opened:
        while True:
            try:
                return await steps.open_request(self._request, "route, and send the first round")
            except (ActivityError, ApplicationError) as error:
                if is_cancelled_exception(error):
                    raise
                await workflow.sleep(_AFTER_TROUBLE)

    def _start(self) -> None:
        for name in self._lanes:
            if not self._is_running(name):
                self._running[name] = asyncio.create_task(self._drain(name, self._seen))

    async def _drain(self, name: str, seen: int) -> None:
        """Run round after round, until the lane is done or the history has become long.

        `seen` counts the wakes before the lane's last look: a later one makes the lane due.
        """
        round = 0
        while name in self._lanes and await self._is_due(name, seen):
            round, seen = round + 1, self._wakes
            self._due.discard(name)
            lane = await self._deliver(name, round)
            if lane.open or name in self._due:
                self._lanes[name] = lane
            else:
                del self._lanes[name]
            self._show()

    async def _is_due(self, name: str, seen: int) -> bool:
        """Sleep until the lane's time has come or it was woken after `seen`. False if this run
        should end, as its history is long; the rest of the wait is then kept for the next run."""
        lane = self._lanes[name]
        longest = _LONGEST_SLEEP if lane.wait is None else lane.wait
        began, long = workflow.now(), workflow.info().is_continue_as_new_suggested

        def is_called() -> bool:
            return self._wakes != seen or name in self._due

        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: is_called() or long(),
                timeout=timedelta(seconds=longest),
                timeout_summary=details.lane_name(lane),
            )
        if long():
            slept = (workflow.now() - began).total_seconds()
            left = 0.0 if is_called() else lane.wait and max(lane.wait - slept, 0.0)
            self._lanes[name] = lane.model_copy(update={"wait": left})
        return not long()

    async def _deliver(self, name: str, round: int) -> m.LaneState:
        order = m.DeliverInput(request=self._request, integration_id=name, round=round)
        summary = f"{details.lane_name(self._lanes[name])}, round {round}"
        try:
            return await steps.deliver(order, summary)
        except (ActivityError, ApplicationError) as error:
            if is_cancelled_exception(error):
                raise
            # A fault of this program, or a very long outage: deliveries are kept and tried again.
            return self._lanes[name].model_copy(update={"wait": _AFTER_TROUBLE})

    def _show(self) -> None:
        workflow.set_current_details(details.lanes(self._deliveries, self._lanes.values()))
