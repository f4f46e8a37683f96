"""`file_path`: the storage key of a job's file, under the column name that the platform uses."""

from storage.postgres.ddl import run_script

revision = "s0007"
down_revision = "s0006"

_FILE_PATH = """
alter table public.migration_jobs
    add column file_path text generated always as (object_key) stored;
"""


def upgrade() -> None:
    run_script(_FILE_PATH)
