"""Connections to PostgreSQL: every transaction is opened for one tenant, for none, or for the
owner of the schemas."""

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
# The server refused a statement; the connection is closed; it broke between two statements.
DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# Besides these: the pool is used up, or the server cannot be reached.
FAILURES = (SQLAlchemyError, OSError, *DRIVER_ERRORS)

# The first statement of every transaction. It also makes SQLAlchemy send BEGIN, which it does only
# with the first statement: a COPY on the raw connection before that would run outside the
# transaction and could not be rolled back.
_OPEN = text(
    f"select set_config('role', '{APP_ROLE}', true), set_config('app.tenant', :tenant, true),"
    " set_config('synchronous_commit', :flush, true)"
)

_PLATFORM = text("select set_config('app.tenant', '', true)")

# The tenant's id is formatted in, as a text of several statements takes no parameters. That is
# safe: its type allows no hostile text (domain/tenant.py).
_BEGIN = (
    f"begin; select set_config('role', '{APP_ROLE}', true),"
    " set_config('app.tenant', '{tenant}', true)"
)
_IDLE_SECONDS = 1.0  # a connection that was unused for longer is pinged before it is used

# A worker that freezes or vanishes in the middle of a transaction still holds its locks. The
# timeouts make the server end such a session, so that another worker can take over.
# synchronous_commit: a commit is on disk before it is answered, whatever the server, the database
# or the role have as default.
_SESSION = {
    "timezone": "UTC",
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": "30s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


class NotCommitted(RuntimeError):
    """A commit did not take place, although the server reported no error."""


class Database:
    """One pool of connections. The service opens transactions by `tenant`, `statements` and
    `anonymous`; `owner` is for provisioning and background work over all tenants."""

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
        """A transaction that sees one tenant only: its rows of shared tables (by row-level
        security) and its own schema.

        Without `flush` the commit does not wait for the disk. A crash of the server may then undo
        the whole transaction, unless a later one was flushed before.
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
        """A transaction as `tenant` opens it, for plain SQL: it costs two round trips.

        A transaction of SQLAlchemy costs four, which is most of the time of a small one.
        """
        async with self.engine.connect() as connection:
            driver = await raw(connection)
            try:
                await driver.execute(_BEGIN.format(tenant=tenant_id))
                yield Statements(driver, tenant_id.schema)
                # After a failed statement PostgreSQL answers COMMIT with ROLLBACK, not with an
                # error (postgresql.org/docs/current/sql-commit.html).
                if await driver.execute("commit") != "COMMIT":
                    raise NotCommitted("a statement of the transaction had failed")
            except BaseException:
                await _roll_back(connection, driver)
                raise

    @asynccontextmanager
    async def anonymous(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees no tenant's rows; authentication begins with one."""
        async with self.engine.begin() as connection:
            await connection.execute(_OPEN, {"tenant": "", "flush": "on"})
            yield connection

    async def call(self, function: str, *values: Any) -> list[Mapping[str, Any]]:
        """The rows of one of our SQL functions, `public.name($1, …)`, in a single round trip.

        No tenant is set, so this is only for SECURITY DEFINER functions, which decide themselves
        what they show.
        """
        async with self.engine.connect() as connection:
            driver = await raw(connection)
            return [dict(row) for row in await driver.fetch(f"select * from {function}", *values)]

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[AsyncConnection]:
        """A transaction of the owner of the schemas, for provisioning and background work over all
        tenants.

        In tables with row-level security it sees and writes only rows of the platform, except where
        the owner is exempt (storage/alembic/shared).
        """
        async with self.engine.begin() as connection:
            await connection.execute(_PLATFORM)
            yield connection

    async def ping(self) -> None:
        """Check the server. Raises one of FAILURES if it cannot be reached, RuntimeError if it is
        older than PostgreSQL 18."""
        async with self.anonymous() as connection:
            await check_version(connection)

    async def close(self) -> None:
        await self.engine.dispose()


async def check_version(connection: AsyncConnection) -> None:
    """Raises RuntimeError if the server is older than PostgreSQL 18."""
    version = await connection.scalar(text("show server_version_num"))
    if int(version) < OLDEST_SERVER:
        raise RuntimeError(f"PostgreSQL 18 or newer is needed, the server says {version}")


async def _roll_back(connection: AsyncConnection, driver: "asyncpg.Connection[Any]") -> None:
    """Roll back; a connection that cannot is removed from the pool."""
    try:
        await driver.execute("rollback")
    except (OSError, *DRIVER_ERRORS):
        await connection.invalidate()


def _ping_idle(engine: AsyncEngine) -> None:
    """Have the pool give out no connection that the server has closed, so that a restart of the
    server causes no errors.

    The driver knows of most closed connections; only those that were unused for a while are pinged.
    SQLAlchemy's `pool_pre_ping` would ping every time, which costs a round trip.
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
    """Runs plain SQL in the connection's open transaction, which `Database.tenant` has opened."""
    assert connection.sync_connection is not None
    schemas = connection.sync_connection.get_execution_options()["schema_translate_map"]
    return Statements(await raw(connection), schemas["tenant"])


async def raw(connection: AsyncConnection) -> "asyncpg.Connection[Any]":
    """The asyncpg connection underneath, in the same transaction; for COPY."""
    driver = (await connection.get_raw_connection()).driver_connection
    return cast("asyncpg.Connection[Any]", driver)
