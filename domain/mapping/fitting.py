"""Fits a mapping to the columns of a file and the words of its source."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from domain.mapping.mapping import FieldMapping, ImportMapping
from domain.values.vocabulary import ANY, fold, underscored


def fit(mapping: ImportMapping, columns: Sequence[str], words: ImportMapping) -> ImportMapping:
    """The mapping with the file's own names for the columns it names, and with the source's words.

    `words` is the source's own mapping. Its statuses and priorities are added to those that this
    mapping names, unless this mapping names `*`, which stands for all others.
    """
    find = _finder(columns)
    named = {fold(each.source_status) for each in mapping.status_mappings}
    statuses = () if ANY in named else words.status_mappings
    ranked = {fold(each.source_priority) for each in mapping.priority_mappings}
    priorities = () if ANY in ranked else words.priority_mappings
    return mapping.model_copy(
        update={
            "field_mappings": tuple(_fitted(each, find) for each in mapping.field_mappings),
            "source_id_field": mapping.source_id_field
            and (find(mapping.source_id_field) or mapping.source_id_field),
            "status_mappings": mapping.status_mappings
            + tuple(each for each in statuses if fold(each.source_status) not in named),
            "priority_mappings": mapping.priority_mappings
            + tuple(each for each in priorities if fold(each.source_priority) not in ranked),
        }
    )


def absent_columns(mapping: ImportMapping, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that the mapping names and the file does not have."""
    fields = (n for e in mapping.field_mappings for n in (e.source_field, *e.fallback_fields))
    named = [*fields, *filter(None, [mapping.source_id_field])]
    return tuple(dict.fromkeys(name for name in named if name not in columns))


def column_of(name: str, columns: Iterable[str]) -> str | None:
    """The column of this name, else the only one whose name differs from it just in case, outer
    space, or spaces in place of underscores; None if there is no such column, or several."""
    return _finder(columns)(name)


def _finder(columns: Iterable[str]) -> Callable[[str], str | None]:
    """`column_of` for many names: hundreds of names and 2,000 long columns would take a minute if
    each pair was compared."""
    columns = tuple(columns)
    exact, alike = frozenset(columns), defaultdict[str, list[str]](list)
    for each in columns:
        alike[underscored(each)].append(each)

    def find(name: str) -> str | None:
        if name in exact:
            return name
        found = alike.get(underscored(name), [])
        return found[0] if len(found) == 1 else None

    return find


def _fitted(each: FieldMapping, find: Callable[[str], str | None]) -> FieldMapping:
    name, others = each.source_field, each.fallback_fields
    return each.model_copy(
        update={
            "source_field": find(name) or name,
            "fallback_fields": tuple(find(other) or other for other in others),
        }
    )
