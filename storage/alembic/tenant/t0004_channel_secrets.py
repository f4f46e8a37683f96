"""Secrets out of channels' configs, into integrations that are not listed."""

revision = "t0004"
down_revision = "t0003"


def upgrade() -> None:
    pass
