"""The version in which an import left a record: with another one, somebody has edited it since."""

from storage.ddl import run_script

revision = "t0006"
down_revision = "t0005"

# Null stands for 1, in which every import inserts.
_VERSIONS = """
alter table incidents add column imported_version integer;
alter table requests add column imported_version integer;
"""


def upgrade() -> None:
    run_script(_VERSIONS)
