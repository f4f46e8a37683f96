"""Bodies that change something: what they leave out stays as it is."""

from typing import Any


def without_defaults(schema: dict[str, Any]) -> None:
    """For `json_schema_extra`: a default is for what is made, and says nothing of a change."""
    for described in schema["properties"].values():
        described.pop("default", None)
