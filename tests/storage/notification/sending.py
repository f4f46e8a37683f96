"""A worker's sends of deliveries that are due, to a receiver on this machine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import asyncpg
from aiohttp import web
from temporalio.testing import ActivityEnvironment

from activities.integration.target import Target
from activities.notification.batch import ClaimedBatch, LaneKey
from activities.notification.delivering import DeliverActivities
from domain.redaction import Redactor
from egress.client import Egress
from integrations import CHANNELS
from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import Receiver
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from storage.notification.claimed import Claimed
from storage.secrets.vault import Vault
from tests.storage.notification.due import Due
from workflows.notification import messages as m


class Slow(Receiver):
    """Before a vendor's receiver: it does at once what it is asked for, and answers when `gate` is
    set; `asked` is set once it has been asked."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        response = await super().answer(request, body)
        self.asked.set()
        await self.gate.wait()
        return response


class SlowSlack(Slow, SlackReceiver): ...


class SlowPager(Slow, PagerDutyReceiver): ...


def delivering(due: Due, out: Egress, vault: Vault | None = None) -> DeliverActivities:
    connections = SimpleNamespace(database=due.database, vault=vault, egress=out, public_url=None)
    return DeliverActivities(connections)  # type: ignore[arg-type]


def batch(
    due: Due, kind: str, config: dict[str, Any], claimed: Sequence[Claimed], granted: int = 1
) -> ClaimedBatch:
    """A claimed batch to be sent through an integration of that type."""
    channel = CHANNELS[kind]
    opened, redactor = channel.config.model_validate(config), Redactor({})
    target = Target(due.tenant_id, due.integration_id, channel, opened, redactor)
    key = LaneKey(due.tenant_id, due.request_id, due.integration_id)
    return ClaimedBatch(key, due.integration(), target, granted, [*claimed])


def posting(due: Due, slack: Receiver, claimed: Sequence[Claimed]) -> ClaimedBatch:
    """Deliveries to Slack, which does not recognise repetitions."""
    config = {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#ops", "baseUrl": f"{slack.url}/api"}
    return batch(due, "slack", config, claimed, len(claimed))


async def sent(delivering: DeliverActivities, batch: ClaimedBatch) -> m.LaneState:
    """A round of an activity that begins with the window."""
    lane: m.LaneState = await ActivityEnvironment().run(delivering.round, batch.key, batch)
    return lane


@asynccontextmanager
async def away(dsn: str) -> AsyncIterator[None]:
    """The database closes its connections and takes no new ones."""
    server, _, name = dsn.rpartition("/")
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        await admin.execute(f"alter database {name} with allow_connections false")
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name
        )
        yield
        await admin.execute(f"alter database {name} with allow_connections true")
    finally:
        await admin.close()
