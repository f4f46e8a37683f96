"""What proves that a job is complete."""

revision = "s0004"
down_revision = "s0003"


def upgrade() -> None:
    pass
