"""Checks that PostgreSQL can store JSON and texts from outside as they came."""

import json
import math
from typing import Annotated, Any

from pydantic import AfterValidator

from domain.json_document import Json

DEPTH = 20  # levels of nesting, at most


def storable(value: Any, depth: int = 0) -> Any:
    """The value itself. Raises ValueError if jsonb would refuse it, or it is nested too deep."""
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
    """A text from others, without the characters that PostgreSQL cannot hold, cut to `chars`
    characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:chars]


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("the character U+0000 cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair cannot be stored") from None


def at_most(limit: int) -> AfterValidator:
    """Bounds the length of a value's JSON, in bytes of UTF-8. To be put after a type that has
    checked `storable`: half of a surrogate pair has no bytes in UTF-8."""
    return AfterValidator(lambda value: bounded(value, limit))


def bounded(value: Any, limit: int) -> Any:
    """The value itself. Raises ValueError if its JSON has more than `limit` bytes."""
    length = len(json.dumps(value, ensure_ascii=False).encode())
    if length > limit:
        raise ValueError(f"this has {length} bytes as JSON; at most {limit} are allowed")
    return value


Text = Annotated[str, AfterValidator(storable)]
JsonObject = Annotated[Json, AfterValidator(storable)]
