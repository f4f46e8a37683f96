"""How often the work on a job was started without getting on."""

revision = "s0005"
down_revision = "s0004"


def upgrade() -> None:
    pass
