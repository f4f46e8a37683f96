"""`firelater receivers up` end to end: the command, and the instructions that it prints."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.notification.event import Severity, StoredEvent
from domain.notification.message import render
from egress.client import egress
from integrations import CHANNELS
from integrations.channel import Outgoing
from receivers import RECEIVERS

ROOT = Path(__file__).parents[2]
NOTIFICATION: StoredEvent = {
    "id": UUID("0198c0de-0000-7000-8000-00000000000b"),
    "event_type": "incident.created",
    "title": "Disk full \x1b[2J",
    "body": "",
    "entity_type": "incident",
    "entity_id": "INC1",
    "metadata": {},
    "recipient": None,
    "created_at": datetime(2026, 11, 24, 12, tzinfo=UTC),
}


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command, interrupted at the end if it still runs."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", "receivers", "up", *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGINT)
        await child.wait()


async def announced(child: asyncio.subprocess.Process) -> str:
    """The output of the command until it is ready."""
    assert child.stdout is not None
    async with asyncio.timeout(30):
        return (await child.stdout.readuntil(b"Ctrl-C ends it.\n")).decode()


async def send(kind: str, ready: dict[str, Any]) -> None:
    """Connect as the ready file says and send a message; raises if it is refused."""
    channel, entry = CHANNELS[kind], ready["receivers"][kind]
    config = channel.config.model_validate(entry["config"])
    message = render("0198c0de-0000-7000-8000-00000000000a", NOTIFICATION, Severity.ERROR)
    outgoing = Outgoing(message, config, channel.options(**entry["options"]))
    async with egress(ready["egressAllow"]) as out:
        await channel.deliver(outgoing, channel.request(outgoing), out)


async def test_every_channel_connects_with_what_is_printed(tmp_path: Path) -> None:
    ready_file = tmp_path / "made" / "ready.json"
    async with running("--ready-file", str(ready_file)) as child:
        shown = await announced(child)
        ready = json.loads(ready_file.read_text())
        assert f"EGRESS_ALLOW={ready['egressAllow']}" in shown
        assert set(ready["receivers"]) == {*RECEIVERS, "email"} == set(CHANNELS)
        assert child.stdout is not None
        for kind, entry in ready["receivers"].items():
            assert entry["url"] in shown
            await send(kind, ready)
            line = ""
            async with asyncio.timeout(10):
                while kind not in line:  # one of them asks further questions
                    line = (await child.stdout.readline()).decode()
            assert line.rstrip("\n").isprintable()
            if entry["received"]:
                async with httpx.AsyncClient(trust_env=False) as http:
                    arrived, *_ = (await http.get(entry["received"])).json()
                assert "Disk full" in arrived["body"]
        child.send_signal(signal.SIGINT)
        assert await child.wait() == 0


@pytest.fixture
def taken() -> Any:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_port_that_is_taken_is_named(taken: int) -> None:
    async with running("--port-base", str(taken)) as child:
        _, errors = await child.communicate()
    assert child.returncode == 1
    assert str(taken) in errors.decode()
    assert "Traceback" not in errors.decode()
