"""The base of all messages in workflow histories: ids, counts and states, no rows, no secrets."""

from pydantic import BaseModel, ConfigDict


class Payload(BaseModel):
    """A frozen message. A field that is added later needs a default: old histories must load."""

    model_config = ConfigDict(frozen=True)
