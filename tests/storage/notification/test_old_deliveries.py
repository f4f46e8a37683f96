"""Deliveries that an earlier version left waiting follow the present rules."""

from storage.alembic.tenant.t0003_delivery_states import _WAITING
from storage.postgres.statement import Statements
from tests.storage.notification.due import Due


class TestOldRows:
    async def test_what_was_parked_is_due_and_woken(self, due: Due) -> None:
        [parked, resting, failing] = await due.add(4, 4, 4)
        for id, kind, hours in (
            (parked, "misconfigured", 70),
            (resting, "throttled", 24),
            (failing, "transient", 10),
        ):
            await due.set(id, next_attempt_at=hours * 3_600.0)
            await due.rows(
                "update tenant.notification_deliveries set status = 'retrying', last_class = $2,"
                " action = null where id = $1 returning 1",
                id,
                kind,
            )
        async with due.database.statements(due.tenant_id) as sql:
            await upgraded(sql, due.tenant_id.schema)
        rows = await due.rows(
            "select last_class, action, extract(epoch from next_attempt_at - now())::float8 / 3600"
            " as hours from tenant.notification_deliveries"
        )
        left = {row["last_class"]: round(row["hours"]) for row in rows}
        assert left == {"misconfigured": 0, "throttled": 1, "transient": 10}
        assert {row["action"] for row in rows} == {"trigger"}
        assert await due.woken() == [due.request_id]


async def upgraded(sql: Statements, schema: str) -> None:
    """Run what the migration does to rows that exist."""
    await sql.run(f"set local search_path to {schema}, pg_catalog")
    for statement in filter(None, map(str.strip, _WAITING.split(";"))):
        await sql.run(statement)
