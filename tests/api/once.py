"""Something that happens to the database at one moment of a job, as an administrator, a fail-over
to a standby that lagged behind, or a restored backup would do it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.service import Tenant

_SETUP = """
create table public.moment (done boolean);
create function public.moment() returns trigger language plpgsql security definer
set search_path = {schema}, public as $$
begin
    if not exists (select from public.moment) then
        insert into public.moment values (true);
        {action};
    end if;
    return new;
end $$;
create trigger moment after update on public.migration_jobs for each row
when (new.id = '{job}' and new.phase = '{phase}' and old.phase <> new.phase)
execute function public.moment();
"""
_TEARDOWN = """
drop trigger moment on public.migration_jobs;
drop function public.moment();
drop table public.moment
"""


@asynccontextmanager
async def once(tenant: Tenant, job_id: str, phase: str, action: str) -> AsyncIterator[None]:
    """Run the SQL when the job's row says that it enters the phase, and not again."""
    await tenant.run(_SETUP.format(schema=tenant.id.schema, job=job_id, phase=phase, action=action))
    try:
        yield
        [[done]] = await tenant.sql("select count(*) from public.moment")
        assert done == 1
    finally:
        await tenant.run(_TEARDOWN)
