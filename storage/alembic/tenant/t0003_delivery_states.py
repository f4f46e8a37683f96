"""Deliveries: new statuses with a reason, recipients, and the state of destinations."""

revision = "t0003"
down_revision = "t0002"


def upgrade() -> None:
    pass
