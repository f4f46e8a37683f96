"""A worker sends heartbeats for every activity whose step has a heartbeat time-out."""

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities import heartbeat
from activities.heartbeat import Heartbeat


class Waiting(ActivityInboundInterceptor):
    """An activity that waits until a heartbeat was sent."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        async with asyncio.timeout(5):
            await self.heard.wait()


async def test_an_activity_with_a_heartbeat_timeout_sends_heartbeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "_SECONDS", 0.01)
    environment, work = ActivityEnvironment(), Waiting()
    environment.info = dataclasses.replace(environment.info, heartbeat_timeout=timedelta(seconds=5))
    environment.on_heartbeat = lambda *_: work.heard.set()
    beating = Heartbeat().intercept_activity(work)
    await environment.run(beating.execute_activity, cast(ExecuteActivityInput, None))
    assert work.heard.is_set()


async def test_an_activity_without_a_heartbeat_timeout_sends_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "_SECONDS", 0.0)
    environment, work, beats = ActivityEnvironment(), Waiting(), list[object]()
    environment.info = dataclasses.replace(environment.info, heartbeat_timeout=None)
    environment.on_heartbeat = lambda *details: beats.append(details)
    asyncio.get_running_loop().call_later(0.05, work.heard.set)
    beating = Heartbeat().intercept_activity(work)
    await environment.run(beating.execute_activity, cast(ExecuteActivityInput, None))
    assert beats == []
