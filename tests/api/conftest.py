"""The API over a real socket, for what an in-process transport cannot show."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from tests.api.wire import Wire
from tests.service import Service, Tenant, new_tenant

UPLOAD_BYTES = 2 * 2**20


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # they are pytest's


class Live:
    """A listening API; `connect` opens one connection."""

    def __init__(self, app: FastAPI, port: int) -> None:
        self.app, self.port = app, port

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()


@pytest.fixture(scope="session")
async def live(service: Service) -> AsyncIterator[Live]:
    """The service's API a second time, on a socket, and taking no more than UPLOAD_BYTES."""
    app = create_app(service.settings.model_copy(update={"upload_max_bytes": UPLOAD_BYTES}))
    server = _Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), "the server did not start"
        await asyncio.sleep(0.01)
    yield Live(app, server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await running


@pytest.fixture
async def other_tenant(service: Service) -> Tenant:
    return await new_tenant(service)


@pytest.fixture(scope="module")
async def module_tenant(service: Service) -> Tenant:
    """A tenant that the tests of a module only look at."""
    return await new_tenant(service)
