"""What travels through workflow histories: ids, counts and states. Never rows, never secrets."""

from pydantic import BaseModel, ConfigDict


class Payload(BaseModel):
    """Frozen, and every later field needs a default: old histories must still load."""

    model_config = ConfigDict(frozen=True)
