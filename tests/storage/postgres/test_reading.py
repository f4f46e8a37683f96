"""A claim reads only the rows that it takes, whatever PostgreSQL's statistics say."""

from uuid import uuid4

import pytest

from storage.notification import claims as claim
from storage.notification import deliveries as delivery
from storage.notification.routing import inputs
from storage.postgres.statement import Statements
from tests.storage.notification.due import Due

_MANY = 400
_BURST = """
with told as (
    insert into tenant.notifications (request_id, event_type, title, body, created_by)
    select $1, 'incident.created', '', '', '' from generate_series(1, $3) returning id)
insert into tenant.notification_deliveries (notification_id, request_id, channel_id, channel_type,
    integration_id, rank, alert_key, deadline_at, action)
select id, $1, $2, 'slack', $2, 4, id::text, now() + interval '1 h', 'trigger' from told
"""
_END = "update tenant.notification_deliveries set status = 'delivered', completed_at = now()"
_READ = """
select (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int as read
from pg_stat_xact_user_tables
where relid = 'tenant.notification_deliveries'::regclass
"""


@pytest.fixture
async def burst(due: Due) -> Due:
    """Many deliveries are due, but the statistics are from a time when none was."""
    await _add(due, _END)
    async with due.database.owner() as connection:
        schema = due.tenant_id.schema
        await connection.exec_driver_sql(f"analyze {schema}.notification_deliveries")
    await _add(due)
    return due


async def _add(due: Due, *then: str) -> None:
    async with due.database.statements(due.tenant_id) as sql:
        await sql.run(_BURST, due.request_id, due.integration_id, _MANY)
        for each in then:
            await sql.run(each)


async def _read(sql: Statements) -> int:
    return int(await sql.value(_READ) or 0)


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_claim_reads_what_it_takes(burst: Due, idempotent: bool, stateful: bool) -> None:
    lane = burst.lane(idempotent=idempotent, interval=1.0 if stateful else None, stateful=stateful)
    for _ in range(8):  # more often than PostgreSQL plans anew for each
        async with burst.database.statements(burst.tenant_id) as sql:
            before = await _read(sql)
            await claim.claim(sql, lane, 40)
            assert await _read(sql) - before < 15 * _MANY


async def test_a_look_at_whose_turn_it_is_reads_each_once(burst: Due) -> None:
    async with burst.database.statements(burst.tenant_id) as sql:
        before = await _read(sql)
        share = burst.request_id, burst.integration_id
        await delivery.estimate_wait(sql, share, None, stateful=True)
        assert await _read(sql) - before < 15 * _MANY


async def test_a_count_of_a_request_does_not_read_those_of_others(burst: Due) -> None:
    async with burst.database.statements(burst.tenant_id) as sql:
        mine, other = uuid4(), burst.integration_id
        await sql.run(_BURST, mine, other, 3)
        before = await _read(sql)
        assert await inputs.count(sql, mine) == 3
        assert await _read(sql) - before < _MANY


async def test_routing_reads_the_channels_that_an_event_may_go_to(due: Due) -> None:
    """A tenant may have one for each of its users."""
    add = (
        "insert into tenant.notification_channels (name, type, is_default)"
        " select 'channel ' || n, 'slack', n = 1 from generate_series(1, 100) n returning id"
    )
    default, chosen, *_ = [row["id"] for row in await due.rows(add)]
    async with due.database.statements(due.tenant_id) as sql:
        found = [each["id"] for each in await inputs.channels(sql, {chosen, uuid4()})]
        assert [each["id"] for each in await inputs.channels(sql, ())] == [default]
    assert found == [default, chosen]
