"""The deliveries of one accepted request: opened once, then each integration in a lane of its own.

Lanes never wait for each other. What failed is a row with a time; a lane sleeps until the next
one, or until somebody wakes it because an integration was mended or a delivery sent again.
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
_LOOK_AGAIN = "lanes look again after an opening"  # workflows of earlier versions do not


# There is one for every event of the platform: Temporal's sandbox would import this module anew for
# each, which took longer than all else it does. A test holds its imports to rules and Temporal.
@workflow.defn(name="Notification", sandboxed=False)
class NotificationWorkflow:
    @workflow.init
    def __init__(self, input: m.NotificationInput) -> None:
        self._request = input.request
        self._lanes = {lane.integration_id: lane for lane in input.lanes}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._deliveries = input.deliveries
        self._wakes = 0
        self._seen = 0 if input.lanes else -1  # wakes that were looked into
        self._due: set[str] = set()  # lanes whose last look was before an opening's

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
        """Route what is not routed, and learn of the lanes that nobody runs yet. The others look
        once more: a look that came before the routing did not see what that made due."""
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
        """Round after round, until the lane is done or the history has become long.

        `seen` are the wakes before the lane was looked at: one that came meanwhile counts.
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
        """Sleep until the lane's time has come or somebody has called since `seen`; False where
        this run had better end, with what is left of the wait for the next one."""
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
            # A fault of this program, or of its servers for very long: deliveries outlive it.
            return self._lanes[name].model_copy(update={"wait": _AFTER_TROUBLE})

    def _show(self) -> None:
        workflow.set_current_details(details.lanes(self._deliveries, self._lanes.values()))
