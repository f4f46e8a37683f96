"""How often the work on a job was started without getting on; and how a job ends, from the moment
on when its taking back begins."""

from storage.ddl import run_script

revision = "s0005"
down_revision = "s0004"

_ENDING = "alter table public.migration_jobs add column ending text;"


def upgrade() -> None:
    run_script(_ENDING)
