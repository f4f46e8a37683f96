"""An update that changes nothing is no edit: an ORM may save whole records that nobody changed."""

from storage.postgres.ddl import run_script

revision = "t0009"
down_revision = "t0008"

# `*<>` compares the stored bytes, since the platform may add a column whose type has no equality,
# such as json.
_VERSION = """
create or replace trigger {table}_version before update on {table} for each row
when (current_setting('app.import', true) is distinct from 'on' and old *<> new)
execute function raise_row_version()
"""


def upgrade() -> None:
    for table in ("incidents", "requests"):
        run_script(_VERSION.format(table=table))
