"""The instance that the tests of ServiceNow write to."""

from collections.abc import AsyncIterator

import pytest

from egress.client import egress
from receivers.receiver import serving
from receivers.servicenow import ServiceNowReceiver
from tests.integrations.servicenow.instance import Instance


@pytest.fixture
async def instance() -> AsyncIterator[Instance]:
    receiver = ServiceNowReceiver()
    async with serving(receiver), egress(receiver.allowed) as out:
        yield Instance(receiver, out)
