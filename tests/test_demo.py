"""`make demo` end to end, and its report if a message is not as expected."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from commands.client import Refused
from commands.demo_received import INCIDENT, Arrival, arrived, check
from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import Receiver, serving
from tests.usual_ports import leave_usual_ports

ROOT = Path(__file__).parents[1]
KEY = "R0UT1NGKEY0FTHETEST0000000000001"
EVENT: dict[str, Any] = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": f"incident_{INCIDENT}",
    "links": [{"href": "https://example.com/1", "text": "Open"}],
    "payload": {
        "summary": "Mailbox is missing",
        "source": "FireLater",
        "severity": "critical",
        "custom_details": {"body": "since 09:41"},
    },
}


async def received(event: dict[str, Any], keys: frozenset[str] | None = None) -> Arrival:
    """An event as PagerDuty received it."""
    async with serving(PagerDutyReceiver(keys=keys)) as receiver:
        await _post(receiver, event)
        url = f"{receiver.url}/_received"
        return await asyncio.to_thread(arrived, receiver.kind, url, 0.0)


async def _post(receiver: Receiver, event: dict[str, Any]) -> None:
    async with ClientSession() as session:
        await session.post(f"{receiver.url}/v2/enqueue", json=event)


async def test_the_demo_shows_what_it_promises(tmp_path: Path) -> None:
    leave_usual_ports(tmp_path / "var")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "demo", "--data-dir", str(tmp_path / "var")),
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(240):
        output = (await child.communicate())[0].decode()
    assert child.returncode == 0, output
    for name in ("Slack", "Teams", "PagerDuty", "Webhook"):
        assert f"╭─ {name} · POST" in output
    assert output.count(f"│ {INCIDENT} Mailbox is missing") == 4
    assert "verified by the receiver" in output
    assert "Acknowledged in Slack by Kim" in output
    assert "Resolved in PagerDuty by Jo" in output
    assert "/workflows/notification%2F" in output


async def test_what_arrived_as_it_should_is_fine() -> None:
    arrival = await received(EVENT)
    check(arrival, "Mailbox is missing")
    assert arrival.answered == 202


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"dedup_key": "incident_INC1"}, "incident_INC1"),
        ({"payload": EVENT["payload"] | {"summary": "Another"}}, "Another"),
        ({"links": []}, "incomplete"),
    ],
)
async def test_a_message_that_is_another_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        check(await received(EVENT | changed), "Mailbox is missing")


async def test_a_message_that_its_receiver_refused_is_refused() -> None:
    arrival = await received(EVENT, keys=frozenset())
    with pytest.raises(Refused, match="400"):
        check(arrival, "Mailbox is missing")


@pytest.mark.parametrize("times", [0, 2])
async def test_one_message_is_wanted_and_no_other_number(times: int) -> None:
    async with serving(PagerDutyReceiver()) as receiver:
        for _ in range(times):
            await _post(receiver, EVENT)
        with pytest.raises(Refused, match=f"received {times}"):
            await asyncio.to_thread(arrived, "pagerduty", f"{receiver.url}/_received", 0.0)
