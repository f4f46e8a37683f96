"""The service that the tests of operators share: its activities can be held."""

from collections.abc import AsyncIterator

import pytest

from embedded.ports import Ports
from tests.operating.campaign import world
from tests.operating.imports import World


@pytest.fixture(scope="session")
async def operated(
    postgres_dsn: str, ports: Ports, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with world(tmp_path_factory.mktemp("operated"), ports, postgres_dsn, "operated") as made:
        yield made
