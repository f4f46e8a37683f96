"""Proposes a target for source fields that are not mapped, by the likeness of names."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from domain.mapping.entity import Entity
from domain.mapping.mapping import ImportMapping

_LIKE_ENOUGH = 0.86  # "created by" and "created at" are 0.8 alike
_OF_NAME, _OF_SYNONYM = 1.0, 0.9  # confidence in a column with the field's name, or a synonym of it


class Suggestion(BaseModel):
    """A proposed field mapping. `confidence` is 1 if the column has the very name of the target
    field, and less for synonyms and similar names."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    source_field: str
    target_field: str
    confidence: float


def suggest(columns: Iterable[str], entity: Entity, mapping: ImportMapping) -> list[Suggestion]:
    """The best suggestions first: at most one per unmapped column and per free target field."""
    mapped = {each.source_field for each in mapping.field_mappings}
    free = _phrases(entity, {each.target_field for each in mapping.field_mappings})
    found = [s for name in columns if name not in mapped for s in _for_column(name, free)]
    # The display value of a reference is what people read; the plain column holds its sys_id.
    found.sort(key=lambda s: (-s.confidence, "display_value" not in s.source_field))
    return list(_one_each(found))


def _phrases(entity: Entity, taken: set[str]) -> dict[str, dict[str, float]]:
    """The free targets that a phrase may stand for, each with its confidence, by phrase."""
    phrases: dict[str, dict[str, float]] = {}
    for field in entity.fields:
        if field.name not in taken:
            for synonym in field.synonyms:
                phrases.setdefault(synonym, {})[field.name] = _OF_SYNONYM
            phrases.setdefault(field.name.replace("_", " "), {})[field.name] = _OF_NAME
    return phrases


def _for_column(name: str, phrases: dict[str, dict[str, float]]) -> Iterator[Suggestion]:
    phrase = _phrase(name)
    alike = 1.0
    if phrase not in phrases:
        alike = _LIKE_ENOUGH
        phrase = next(iter(get_close_matches(phrase, phrases, n=1, cutoff=_LIKE_ENOUGH)), "")
    for target, confidence in phrases.get(phrase, {}).items():
        score = round(confidence * alike, 2)
        yield Suggestion(source_field=name, target_field=target, confidence=score)


def _phrase(name: str) -> str:
    """`Assigned Group*+`, `assignedGroup`, `assigned_group.display_value` -> "assigned group"."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    phrase = " ".join(re.findall(r"[^\W_]+", spaced.casefold()))
    return phrase.removesuffix(" display value")


def _one_each(ranked: Iterable[Suggestion]) -> Iterator[Suggestion]:
    sources: set[str] = set()
    targets: set[str] = set()
    for each in ranked:
        if each.source_field not in sources and each.target_field not in targets:
            sources.add(each.source_field)
            targets.add(each.target_field)
            yield each
