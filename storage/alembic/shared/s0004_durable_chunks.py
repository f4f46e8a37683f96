"""What proves that a job is complete: of how many batches its run consists.

Null for runs that began before; those are judged by their records alone.
"""

from storage.postgres.ddl import run_script

revision = "s0004"
down_revision = "s0003"


def upgrade() -> None:
    run_script("alter table public.migration_jobs add column batches integer;")
