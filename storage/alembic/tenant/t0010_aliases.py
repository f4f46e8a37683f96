"""Ids of a file that were matched to records which the tenant has under other ids."""

from storage.postgres.ddl import run_script

revision = "t0010"
down_revision = "t0009"


def upgrade() -> None:
    run_script("""
create table import_aliases (
    job_id      uuid not null,
    source_id   text not null,
    taken_for   text not null,
    primary key (job_id, source_id)
);
""")
