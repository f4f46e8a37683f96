"""A request's first round, of all its lanes at once."""

import asyncio
from types import SimpleNamespace
from uuid import uuid4

import asyncpg
import pytest
from temporalio.testing import ActivityEnvironment

from activities.notification.routing import RouteActivities
from egress.client import egress
from receivers.receiver import Receiver, serving
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from storage.postgres.statement import as_json
from tests.storage.kept import Kept
from tests.storage.notification.due import Due
from tests.storage.notification.sending import SlowSlack, delivering
from workflows.notification import messages as m

_EVENT = """
insert into tenant.notifications (request_id, event_type, title, body, created_by)
values ($1, 'incident.created', 'Printer on fire', '', '') returning 1
"""
_CONNECT = """
with made as (
    insert into tenant.integrations (id, name, type, created_by, config, credentials)
    values ($1::uuid, $2, 'slack', '', $3::jsonb, $4) returning id)
insert into tenant.notification_channels (id, name, type, integration_id, is_default, config)
select id, $2, 'slack', id, true, '{}' from made returning 1
"""
# Whatever it is that makes one round fail.
_REFUSE = """
create function {schema}.refuse() returns trigger language plpgsql as
    $$ begin raise exception 'no'; end $$;
create trigger refuse before update on {schema}.notification_deliveries for each row
    when (new.status = 'delivered' and new.channel_id = '{id}') execute function {schema}.refuse()
"""
_ENDS = "select channel_id, status from tenant.notification_deliveries"


async def connect(due: Due, kept: Kept, slack: Receiver) -> str:
    """An integration and its default channel, which have one id."""
    id = uuid4()
    config = as_json({"defaultChannel": "#ops", "baseUrl": f"{slack.url}/api"})
    secrets = kept.vault.seal(due.tenant_id, id, {"botToken": EXAMPLE_TOKEN})
    await due.rows(_CONNECT, id, str(id), config, secrets)
    return str(id)


async def refuse(due: Due, kept: Kept, id: str) -> None:
    owner = await asyncpg.connect(kept.dsn)
    await owner.execute(_REFUSE.format(schema=due.tenant_id.schema, id=id))
    await owner.close()


async def test_one_that_fails_waits_for_the_others(due: Due, kept: Kept) -> None:
    await due.rows(_EVENT, due.request_id)
    async with (
        serving(fast := SlackReceiver()),
        serving(slow := SlowSlack()),
        egress(f"{fast.allowed},{slow.allowed}") as out,
    ):
        failing, hanging = [await connect(due, kept, each) for each in (fast, slow)]
        await refuse(due, kept, failing)
        connections = SimpleNamespace(database=due.database)
        routing = RouteActivities(connections, delivering(due, out, kept.vault))  # type: ignore[arg-type]
        ref = m.RequestRef(tenant_id=due.tenant_id, request_id=str(due.request_id))
        opening = asyncio.create_task(ActivityEnvironment().run(routing.open_request, ref))
        await slow.asked.wait()
        await fast.until(len)
        await asyncio.wait([opening], timeout=2)  # it would end as soon as the first one fails
        assert not opening.done()
        slow.gate.set()
        with pytest.raises(asyncpg.RaiseError):
            await opening
    ends = {str(row["channel_id"]): row["status"] for row in await due.rows(_ENDS)}
    assert ends == {failing: "sending", hanging: "delivered"}
