"""A request whose activities are played by the test, under their real names."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from tests.workflows.migration.fake_job import TENANT
from workflows.notification import messages as m
from workflows.notification.steps import deliver, open_request
from workflows.notification.workflow import NotificationWorkflow
from workflows.step import DELIVER


@dataclass
class FakeRequest:
    """`lanes` is what opening finds; `rounds` what each round of a lane answers, in order; one more
    finds nothing left to send. An activity that is held, by its name, answers when it is let go."""

    deliveries: int = 3
    lanes: tuple[m.LaneState, ...] = ()
    rounds: dict[str, list[m.LaneState | Exception]] = field(
        default_factory=lambda: defaultdict(list)
    )
    done: set[str] = field(default_factory=set)
    opened: int = 0
    asked: list[m.DeliverInput] = field(default_factory=list)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    ref: m.RequestRef = field(
        default_factory=lambda: m.RequestRef(tenant_id=TENANT, request_id=str(uuid4()))
    )

    def __post_init__(self) -> None:
        self._changed = asyncio.Condition()

    @activity.defn(name=open_request.name)
    async def open_request(self, input: m.RequestRef) -> m.Opened:
        assert input == self.ref
        self.opened += 1
        left = tuple(lane for lane in self.lanes if lane.integration_id not in self.done)
        await self._tell()
        await self._let_go(open_request.name)
        return m.Opened(deliveries=self.deliveries, lanes=left)

    @activity.defn(name=deliver.name)
    async def deliver(self, input: m.DeliverInput) -> m.LaneState:
        self.asked.append(input)
        await self._tell()
        answers = self.rounds[input.integration_id]
        answer = answers.pop(0) if answers else lane(input.integration_id, open=0)
        if isinstance(answer, Exception):
            raise answer
        if not answer.open:
            self.done.add(input.integration_id)
        await self._let_go(deliver.name)
        return answer

    def of(self, name: str) -> list[int]:
        """The rounds that a lane was asked for."""
        return [each.round for each in self.asked if each.integration_id == name]

    def hold(self, name: str) -> asyncio.Event:
        """Have that activity answer only when the event is set."""
        return self.held.setdefault(name, asyncio.Event())

    async def _let_go(self, name: str) -> None:
        if name in self.held:
            await self.held[name].wait()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, rounds: int = 0, opened: int = 0) -> None:
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(
                lambda: len(self.asked) >= rounds and self.opened >= opened
            )


def lane(name: str, open: int = 1, wait: float | None = 0) -> m.LaneState:
    return m.LaneState(integration_id=name, open=open, wait=wait)


def broken() -> ApplicationError:
    return ApplicationError("a fault", non_retryable=True)


@asynccontextmanager
async def working(client: Client, request: FakeRequest, **options: Any) -> AsyncIterator[None]:
    activities: list[Callable[..., Any]] = [request.open_request, request.deliver]
    async with Worker(
        client,
        task_queue=DELIVER,
        workflows=[NotificationWorkflow],
        activities=activities,
        **options,
    ):
        yield
