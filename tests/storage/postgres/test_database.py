"""The pool never reuses a connection that the server closed, by SQLAlchemy or asyncpg."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from domain.tenant import TenantId
from storage.postgres.database import DRIVER_ERRORS, Database, NotCommitted, raw
from tests.storage.kept import Kept
from tests.until import until

Door = Callable[[Database, TenantId], Awaitable[object]]


async def by_tenant(database: Database, tenant_id: TenantId) -> None:
    async with database.tenant(tenant_id) as connection:
        await connection.execute(text("select pg_sleep(0.01)"))


async def by_statements(database: Database, tenant_id: TenantId) -> None:
    async with database.statements(tenant_id) as sql:
        await sql.run("select pg_sleep(0.01)")


async def by_call(database: Database, _: TenantId) -> None:
    await database.call("public.resolve_api_key($1)", "nobody")


async def by_anonymous(database: Database, _: TenantId) -> None:
    await database.ping()


DOORS: list[Door] = [by_tenant, by_statements, by_call, by_anonymous]


@pytest.mark.parametrize("door", DOORS)
async def test_a_restart_of_the_server_goes_unnoticed(kept: Kept, door: Door) -> None:
    async def come_in() -> None:
        await asyncio.gather(*(door(kept.database, kept.tenants[0]) for _ in range(9)))

    connections = await pooled(kept.database)
    assert connections
    await close_all(kept)
    await until(lambda: all(each.is_closed() for each in connections))
    await come_in()


async def test_what_breaks_in_the_middle_is_not_used_again(kept: Kept) -> None:
    async def break_off() -> None:
        async with kept.database.statements(kept.tenants[0]) as sql:
            await close_all(kept)
            await sql.run("select 1")

    with pytest.raises(DRIVER_ERRORS):
        await break_off()
    for door in DOORS:
        await door(kept.database, kept.tenants[0])


async def flushes(database: Database, tenant_id: TenantId) -> list[str]:
    """What every door says of waiting for the disk."""
    ask = "select current_setting('synchronous_commit') as it"
    found = []
    async with database.tenant(tenant_id) as connection:
        found.append(await connection.scalar(text(ask)))
    async with database.anonymous() as connection:
        found.append(await connection.scalar(text(ask)))
    async with database.owner() as connection:
        found.append(await connection.scalar(text(ask)))
    async with database.statements(tenant_id) as sql:
        found.append(await sql.value(ask))
    [called] = await database.call("current_setting('synchronous_commit') as it")
    return [*found, called["it"]]


async def test_commits_are_on_disk_whatever_the_database_prefers(kept: Kept) -> None:
    connection = await asyncpg.connect(kept.dsn)
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set synchronous_commit = off")
    await connection.close()
    database = Database(kept.dsn, pool_size=2)
    assert await flushes(database, kept.tenants[0]) == ["on"] * 5
    async with database.tenant(kept.tenants[0], flush=False) as tx:
        assert await tx.scalar(text("select current_setting('synchronous_commit')")) == "off"
    assert await flushes(database, kept.tenants[0]) == ["on"] * 5
    await database.close()


async def test_a_commit_that_was_a_rollback_is_an_error(kept: Kept) -> None:
    """Whoever swallows the error of a statement must not be told that the others took effect."""

    async def swallow() -> None:
        async with kept.database.statements(kept.tenants[0]) as sql:
            await sql.run("create temp table gone (x int)")
            with suppress(asyncpg.PostgresError):
                await sql.run("select 1 / 0")

    with pytest.raises(NotCommitted):
        await swallow()


async def close_all(kept: Kept) -> None:
    """As the server does when it goes down."""
    connection = await asyncpg.connect(kept.dsn)
    others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    await connection.execute(f"select pg_terminate_backend(pid) {others}")
    await until(lambda: connection.fetchval(f"select not exists (select {others})"))
    await connection.close()


async def pooled(database: Database) -> "list[asyncpg.Connection[Any]]":
    """All the connections of the pool."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(database.engine.connect()) for _ in range(3)]
        return [await raw(each) for each in opened]
