"""The platform's own id of an event, as it was sent."""

from storage.postgres.ddl import run_script

revision = "t0007"
down_revision = "t0006"


def upgrade() -> None:
    run_script("alter table notifications add column event_id text;")
