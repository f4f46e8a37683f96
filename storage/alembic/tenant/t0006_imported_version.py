"""`imported_version`: the version that an import left a record in. A record with another version
was edited since."""

from storage.postgres.ddl import run_script

revision = "t0006"
down_revision = "t0005"

_COLUMNS = """
alter table incidents add column imported_version integer;
alter table requests add column imported_version integer;
"""
# Null means version 1, which records have after they were inserted by an import. Of a record that
# an import has updated, the before-image holds the version that the update made.
UPDATED = """
select set_config('app.import', 'on', true);
update incidents t set imported_version = b.row_version from import_before_images b
where b.record_id = t.id and b.job_id = t.migration_job_id;
update requests t set imported_version = b.row_version from import_before_images b
where b.record_id = t.id and b.job_id = t.migration_job_id;
select set_config('app.import', '', true);
"""


def upgrade() -> None:
    run_script(_COLUMNS)
    run_script(UPDATED)
