"""The number of batches of a job's run, which proves with its records that the job is complete.

Null for runs that began before this migration; these are judged by their records alone.
"""

from storage.postgres.ddl import run_script

revision = "s0004"
down_revision = "s0003"


def upgrade() -> None:
    run_script("alter table public.migration_jobs add column batches integer;")
