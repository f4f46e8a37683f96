"""The records of a file that an import skipped."""

from storage.postgres.ddl import run_script

revision = "t0008"
down_revision = "t0007"


def upgrade() -> None:
    run_script("""
create table import_skips (
    id          uuid primary key default uuidv7(),
    job_id      uuid not null,
    source_row  bigint not null,
    source_id   text not null,
    reason      text not null
);
create index import_skips_job on import_skips (job_id, id);
""")
