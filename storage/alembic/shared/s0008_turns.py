"""Which of the states that its workflow has said a job's row shows: an attempt that hung meanwhile
does not take a later one back."""

from storage.postgres.ddl import run_script

revision = "s0008"
down_revision = "s0007"


def upgrade() -> None:
    run_script("alter table public.migration_jobs add column turn bigint not null default 0;")
