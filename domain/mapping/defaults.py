"""Reads the `defaultValue` of a field mapping as a value of the target field."""

from domain.mapping.entity import Field
from domain.mapping.kinds import Value
from domain.values.reading import ReadingRules


def read_default(raw: str | bool | int | None, field: Field, rules: ReadingRules) -> Value | None:
    """The typed default; None if `raw` is empty. Raises ValueError if the field cannot hold it."""
    text = str(raw).lower() if isinstance(raw, bool) else raw if raw is None else str(raw)
    if not text:
        return None
    value = field.kind.read_default(text, rules)
    if value is None or "\0" in text:
        raise ValueError(f"{raw!r} cannot be the default of the {field.kind.name} {field.name}")
    return value
