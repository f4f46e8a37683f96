"""`firelater receivers up`: every vendor on this machine, with a config to connect each."""

import asyncio
import json
import logging
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from receivers import RECEIVERS, smtp
from receivers.example import filled
from receivers.receiver import Json, Received, Receiver, serving

_LINE_CHARS = 160

Endpoint = Receiver | smtp.SmtpReceiver


def up(port_base: int, ready_file: Path | None, console: Console) -> None:
    """Serve until Ctrl-C. `port_base`: the first of the ports in a row; 0 takes free ones."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    asyncio.run(_run(port_base, ready_file, console))


async def _run(port_base: int, ready_file: Path | None, console: Console) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with _serving(port_base) as endpoints, asyncio.TaskGroup() as followers:
        ready = described(endpoints)
        if ready_file is not None:
            _write(ready_file, json.dumps(ready, indent=2))
        _show(ready, console)
        following = [followers.create_task(_follow(each, console)) for each in endpoints]
        await stop.wait()
        for task in following:
            task.cancel()


@asynccontextmanager
async def _serving(port_base: int) -> AsyncIterator[list[Endpoint]]:
    async with AsyncExitStack() as stack:
        endpoints: list[Endpoint] = []
        for receiver in [make() for make in RECEIVERS.values()]:
            port = port_base and port_base + len(endpoints)
            endpoints.append(await stack.enter_async_context(serving(receiver, port)))
        mail = smtp.SmtpReceiver("none")  # without TLS, as its users do not trust our authority
        port = port_base and port_base + len(endpoints)
        endpoints.append(await stack.enter_async_context(smtp.serving(mail, port)))
        yield endpoints


def described(endpoints: list[Endpoint]) -> Json:
    """What the ready file says: where each is, and how an integration is connected to it."""
    return {
        "egressAllow": ",".join(each.allowed for each in endpoints),
        "receivers": {
            each.kind: {
                "url": each.url,
                "received": f"{each.url}/_received" if isinstance(each, Receiver) else None,
                **filled(each.kind, each.url),
            }
            for each in endpoints
        },
    }


def _show(ready: Json, console: Console) -> None:
    table = Table(title="Receivers", title_justify="left")
    for column in ("type", "URL", "what arrived"):
        table.add_column(column, no_wrap=True)
    for kind, each in ready["receivers"].items():
        table.add_row(kind, each["url"], each["received"] or "shown below")
    console.print(table)
    console.print(f"\nEGRESS_ALLOW={ready['egressAllow']}\n", soft_wrap=True, highlight=False)
    for kind, each in ready["receivers"].items():
        console.print(f"POST /v1/integrations, type {kind}, config:", highlight=False)
        console.print_json(data=each["config"])
    console.print("\nWhat arrives is shown here. Ctrl-C ends it.")


def _write(path: Path, text: str) -> None:
    """Write the file whole or not at all, as whoever waits for it reads it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


async def _follow(endpoint: Endpoint, console: Console) -> None:
    shown = 0

    def has_more(received: Sequence[object]) -> bool:
        return len(received) > shown

    while True:
        await endpoint.until(has_more, None)
        for each in endpoint.received[shown:]:
            shown += 1
            console.print(line(endpoint.kind, each), markup=False, highlight=False, soft_wrap=True)


def line(kind: str, arrived: Received | smtp.Mail) -> str:
    """An arrival as one line for a terminal, without characters that a terminal would obey."""
    at = time.strftime("%H:%M:%S", time.localtime(arrived.at))
    if isinstance(arrived, smtp.Mail):
        what = f"{', '.join(arrived.recipients)}: {arrived.message['Subject']}"
    else:
        what = f"{arrived.method} {arrived.path} {arrived.body.decode(errors='replace')}"
    text = "".join(char if char.isprintable() else " " for char in what)
    return f"{at} {kind:16} {arrived.status:3} {text}"[:_LINE_CHARS]
