"""Connections to PostgreSQL, each one a transaction that knows whose it is."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.tenant import TenantId
from storage.postgres.statement import Statements

APP_ROLE = "firelater_app"
OLDEST_SERVER = 180_000  # uuidv7() came with PostgreSQL 18
# Of a server that says no; of a connection that is closed; of one that broke between statements.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# The same, a pool that is used up, and a server that cannot be reached.
FAILURES = (SQLAlchemyError, OSError, *DRIVER_ERRORS)

# The first statement of every transaction. It also is what makes SQLAlchemy send BEGIN: it does so
# lazily, and a COPY on the raw connection before it would run, and stay, outside the transaction.
_OPEN = text(
    f"select set_config('role', '{APP_ROLE}', true), set_config('app.tenant', :tenant, true),"
    " set_config('synchronous_commit', :flush, true)"
)

_PLATFORM = text("select set_config('app.tenant', '', true)")

# A tenant's id cannot be hostile (domain/tenant.py), and a text of several statements takes no
# parameters.
_BEGIN = (
    f"begin; select set_config('role', '{APP_ROLE}', true),"
    " set_config('app.tenant', '{tenant}', true)"
)
_IDLE_SECONDS = 1.0  # after which a pooled connection is looked at before it is used

# A worker that is frozen, or gone without a word, in the middle of a transaction holds its locks:
# the server gives up on it, so that another worker can take over.
# A commit is on disk before its answer, whatever the server, the database or the role prefers.
_SESSION = {
    "timezone": "UTC",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


class NotCommitted(RuntimeError):
    """A commit that did not take place, although the server reported no error."""


class Database:
    """One pool; `tenant` and `anonymous` are the service's doors, `owner` is for provisioning."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,
            connect_args={"timeout": 10, "server_settings": _SESSION},
        )
        _ping_idle(self.engine)

    @asynccontextmanager
    async def tenant(
        self, tenant_id: TenantId, *, flush: bool = True
    ) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees one tenant: row-level security and the tenant's own schema.

        Without `flush` the commit does not wait for the disk: a crash of the server may undo it,
        whole, until any later transaction was flushed.
        """
        async with self.engine.connect() as connection:
            translated = await connection.execution_options(
                schema_translate_map={"tenant": tenant_id.schema}
            )
            async with translated.begin():
                opening = {"tenant": tenant_id, "flush": "on" if flush else "off"}
                await translated.execute(_OPEN, opening)
                yield translated

    @asynccontextmanager
    async def statements(self, tenant_id: TenantId) -> AsyncIterator[Statements]:
        """The same as `tenant`, for PostgreSQL's own words: two round trips beside the body's.

        A transaction that SQLAlchemy opens takes four, and most of the time of a small one.
        """
        async with self.engine.connect() as connection:
            driver = await raw(connection)
            try:
                await driver.execute(_BEGIN.format(tenant=tenant_id))
                yield Statements(driver, tenant_id.schema)
                # Of a transaction in which a statement failed, PostgreSQL answers COMMIT with
                # ROLLBACK, and not with an error.
                if await driver.execute("commit") != "COMMIT":
                    raise NotCommitted("a statement of the transaction had failed")
            except BaseException:
                await _roll_back(connection, driver)
                raise

    @asynccontextmanager
    async def anonymous(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees no tenant: what authentication starts from."""
        async with self.engine.begin() as connection:
            await connection.execute(_OPEN, {"tenant": "", "flush": "on"})
            yield connection

    async def call(self, function: str, *values: Any) -> list[Mapping[str, Any]]:
        """The rows of one of our functions, `public.name($1, …)`, in a single round trip.

        Only for those that are SECURITY DEFINER, which decide by themselves what they show.
        """
        async with self.engine.connect() as connection:
            driver = await raw(connection)
            return [dict(row) for row in await driver.fetch(f"select * from {function}", *values)]

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[AsyncConnection]:
        """A transaction of the owner of the schemas, for provisioning and sweeping only.

        Of what belongs to tenants it sees, and writes, what is the platform's own.
        """
        async with self.engine.begin() as connection:
            await connection.execute(_PLATFORM)
            yield connection

    async def ping(self) -> None:
        """Raises if the server cannot be reached or is too old to serve us."""
        async with self.anonymous() as connection:
            version = await connection.scalar(text("show server_version_num"))
        if int(version) < OLDEST_SERVER:
            raise RuntimeError(f"PostgreSQL 18 or newer is needed, the server says {version}")

    async def close(self) -> None:
        await self.engine.dispose()


async def _roll_back(connection: AsyncConnection, driver: "asyncpg.Connection[Any]") -> None:
    """A connection that cannot even do that is not used again."""
    try:
        await driver.execute("rollback")
    except (OSError, *DRIVER_ERRORS):
        await connection.invalidate()


def _ping_idle(engine: AsyncEngine) -> None:
    """Use no connection that the server has closed, so that its restart goes unnoticed.

    The driver knows of most; those that nobody used for a while are asked. To ask every one, as
    `pool_pre_ping` does, takes a round trip each time.
    """
    dialect = engine.sync_engine.dialect

    @event.listens_for(engine.sync_engine, "checkout")
    def look(connection: Any, record: Any, _proxy: Any) -> None:
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        idle = time.monotonic() - record.info.get("used_at", time.monotonic())
        if idle > _IDLE_SECONDS:
            try:
                dialect.do_ping(connection)
            except (dialect.loaded_dbapi.Error, *DRIVER_ERRORS) as error:
                raise InvalidatePoolError from error

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()


async def statements(connection: AsyncConnection) -> Statements:
    """PostgreSQL's own words inside a transaction of `Database.tenant`."""
    assert connection.sync_connection is not None
    schemas = connection.sync_connection.get_execution_options()["schema_translate_map"]
    return Statements(await raw(connection), schemas["tenant"])


async def raw(connection: AsyncConnection) -> "asyncpg.Connection[Any]":
    """The asyncpg connection beneath, inside the same transaction: for COPY."""
    driver = (await connection.get_raw_connection()).driver_connection
    return cast("asyncpg.Connection[Any]", driver)
