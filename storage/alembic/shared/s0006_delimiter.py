"""The delimiter of a CSV file, where the user names it."""

from storage.postgres.ddl import run_script

revision = "s0006"
down_revision = "s0005"


def upgrade() -> None:
    run_script("alter table public.migration_jobs add column delimiter text;")
