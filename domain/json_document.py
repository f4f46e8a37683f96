"""The type of a JSON document whose members only its author knows."""

from typing import Any

# Use it for free-form JSON: an event's metadata, a vendor's request or answer, a jsonb column of
# options, an answer of the HTTP API as it is written out. A row of a table is no such document:
# it has a TypedDict beside its table.
Json = dict[str, Any]
