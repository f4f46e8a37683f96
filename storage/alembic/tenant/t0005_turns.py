"""A before-image for each batch that updated a record, as two imports may update it in turns."""

from storage.postgres.ddl import run_script

revision = "t0005"
down_revision = "t0004"

_TURNS = """
alter table import_before_images
    drop constraint import_before_images_pkey,
    add primary key (job_id, record_id, chunk);
"""


def upgrade() -> None:
    run_script(_TURNS)
