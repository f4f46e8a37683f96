"""A PostgreSQL that refuses one tenant's writes with the error that a test names."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.service import Service, Tenant


@asynccontextmanager
async def refusing(
    service: Service, tenant: Tenant, table: str, what: str, sqlstate: str
) -> AsyncIterator[None]:
    """`what` is "insert" or "update" on the shared table."""
    name = f"refuse_{what}_{tenant.id.schema}"
    connection = await asyncpg.connect(service.dsn)
    try:
        await connection.execute(
            f"""
            create function public.{name}() returns trigger language plpgsql as $$
            begin
                if new.tenant_id = '{tenant.id}' then
                    raise exception 'refused by a test' using errcode = '{sqlstate}';
                end if;
                return new;
            end $$;
            create trigger {name} before {what} on public.{table}
                for each row execute function public.{name}();
            """
        )
        yield
    finally:
        await connection.execute(f"drop function if exists public.{name} cascade")
        await connection.close()
