"""JSON from outside that is kept as it came: what of it PostgreSQL can hold."""

import json
import math
from typing import Annotated, Any

from pydantic import AfterValidator

from domain.json_document import Json

DEPTH = 20


def storable(value: Any, depth: int = 0) -> Any:
    """The value itself. Raises ValueError where jsonb would refuse it, or it is too deep."""
    if depth > DEPTH:
        raise ValueError(f"nested more than {DEPTH} deep")
    match value:
        case str():
            _check_text(value)
        case float() if not math.isfinite(value):
            raise ValueError("infinity and NaN cannot be stored")
        case dict():
            for name, inner in value.items():
                _check_text(name)
                storable(inner, depth + 1)
        case list():
            for inner in value:
                storable(inner, depth + 1)
    return value


def stored(text: str, chars: int) -> str:
    """As much of somebody else's text as PostgreSQL and JSON can hold, `chars` at most."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:chars]


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("the character U+0000 cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no text") from None


def at_most(limit: int) -> AfterValidator:
    """Bounds the length of a value's JSON, in bytes of UTF-8."""

    return AfterValidator(lambda value: bounded(value, limit))


def bounded(value: Any, limit: int) -> Any:
    """The value itself. Raises ValueError if its JSON is longer than that."""
    length = len(json.dumps(value, ensure_ascii=False).encode())
    if length > limit:
        raise ValueError(f"{length} bytes of JSON are too many; {limit} are taken")
    return value


Text = Annotated[str, AfterValidator(storable)]
JsonObject = Annotated[Json, AfterValidator(storable)]
