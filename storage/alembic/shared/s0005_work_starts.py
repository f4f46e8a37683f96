"""How often the work on a job was started without progress; and the status that a job will end
with, set when its undo begins."""

from storage.postgres.ddl import run_script

revision = "s0005"
down_revision = "s0004"

_STARTS = """
create table public.work_starts (
    job_id         uuid primary key references public.migration_jobs on delete cascade,
    tenant_id      text not null,
    work           text not null,
    done           bigint not null,
    open           text,
    alone          boolean not null,
    shared_deaths  integer not null,
    own_deaths     integer not null,
    changed_at     timestamptz not null default now()
);
alter table public.work_starts enable row level security;
create policy tenant on public.work_starts
    using (tenant_id = current_setting('app.tenant', true))
    with check (tenant_id = current_setting('app.tenant', true));
grant select, insert, update, delete on public.work_starts to firelater_app;
"""
_ENDING = "alter table public.migration_jobs add column ending text;"


def upgrade() -> None:
    run_script(_STARTS)
    run_script(_ENDING)
