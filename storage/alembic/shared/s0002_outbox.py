"""The outbox: requests whose workflow is not known to have been started."""

from storage.postgres.ddl import run_script

revision = "s0002"
down_revision = "s0001"

_OUTBOX = """
create table public.outbox (
    id          uuid primary key default uuidv7(),
    tenant_id   text not null references public.tenants on delete cascade,
    kind        text not null,
    subject     uuid not null,
    count       integer not null,
    created_at  timestamptz not null default now()
);
create index outbox_created on public.outbox (created_at);
alter table public.outbox enable row level security;
create policy tenant on public.outbox using (tenant_id = current_setting('app.tenant', true))
    with check (tenant_id = current_setting('app.tenant', true));
grant select, insert, update, delete on public.outbox to firelater_app;
"""


def upgrade() -> None:
    run_script(_OUTBOX)
