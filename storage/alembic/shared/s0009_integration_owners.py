"""Which tenant an integration belongs to: a vendor that calls us names the integration only."""

from storage.postgres.ddl import run_script

revision = "s0009"
down_revision = "s0008"

# The tenants' tables of integrations keep this one by triggers (t0012). The role that serves
# requests may ask for one integration and see nothing else.
_OWNERS = """
create table public.integration_owners (
    integration_id uuid primary key,
    tenant_id      text not null references public.tenants on delete cascade
);
alter table public.integration_owners enable row level security;
create function public.note_integration_owner() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    if tg_op = 'DELETE' then
        delete from public.integration_owners where integration_id = old.id;
    else
        insert into public.integration_owners (integration_id, tenant_id)
        values (new.id, substr(tg_table_schema, 8)) on conflict do nothing;
    end if;
    return null;
end
$$;
create function public.owner_of_integration(integration_id uuid) returns table (tenant_id text)
language sql security definer set search_path = pg_catalog as $$
    select o.tenant_id from public.integration_owners o
    where o.integration_id = owner_of_integration.integration_id
$$;
revoke all on function public.owner_of_integration(uuid) from public;
grant execute on function public.owner_of_integration(uuid) to firelater_app;
"""


def upgrade() -> None:
    run_script(_OWNERS)
