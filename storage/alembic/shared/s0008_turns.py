"""`turn`: the number of the last state that a job's workflow wrote to its row. An activity attempt
that hung, and writes an earlier state late, is refused by it."""

from storage.postgres.ddl import run_script

revision = "s0008"
down_revision = "s0007"


def upgrade() -> None:
    run_script("alter table public.migration_jobs add column turn bigint not null default 0;")
