"""Runs the whole service on one machine: starts everything in order, until a signal stops it."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

from embedded import CannotStart, services
from embedded.child import Child, Program, running
from embedded.files import claimed
from embedded.plan import Options, own_servers, service_environment
from embedded.ports import Ports
from embedded.ready import Ready, forget
from settings import Settings

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(options: Options, settings: Settings) -> None:
    """Run the stack until a signal stops it. Raises CannotStart."""
    with claimed(options.data_dir) as lock, contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_until_stopped(_run(options, settings, lock)))


async def _until_stopped(work: Awaitable[None]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def stop() -> None:
        # A second signal meets the default handler: this process dies at once, and its children
        # with it (tether.py).
        for each in _STOPPING:
            loop.remove_signal_handler(each)
        if task is not None:
            task.cancel()

    for each in _STOPPING:
        loop.add_signal_handler(each, stop)
    await work


async def _run(options: Options, settings: Settings, lock: int) -> None:
    forget(options.ready_file)
    ports = Ports(options.data_dir / "ports.json")
    servers = own_servers(options, settings, ports)
    children = {name: _child(await each.program(), lock) for name, each in servers.items()}
    async with running(*children.values()):
        environment = service_environment(options, settings, ports, servers)
        await _prepare(environment["DATABASE_URL"], options.admin_key_file)
        api = _child(services.api(environment, options.logs), lock)
        numbers = range(1, options.workers + 1)
        programs = [services.worker(number, environment, options.logs) for number in numbers]
        workers = [_child(program, lock) for program in programs]
        async with running(api, *workers):
            ready = Ready(options, environment, children, api, workers)
            with ready.announced():
                await asyncio.Event().wait()


def _child(program: Program, lock: int) -> Child:
    return Child(replace(program, keep_open=(lock,)))


async def _prepare(database_url: str, admin_key_file: Path) -> None:
    # Imported here, as it loads SQLAlchemy and Alembic, which most commands of the CLI do without.
    from storage.tenancy.provisioning import prepare

    try:
        await prepare(database_url, admin_key_file)
    except OSError as error:
        raise CannotStart(f"the database cannot be reached: {error}") from error
