"""How a source system stores one entity, as data: its tables, columns and words."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from domain.mapping.entity import Entity
from domain.mapping.fitting import column_of
from domain.mapping.mapping import FieldMapping, ImportMapping, PriorityMapping, StatusMapping
from domain.values.vocabulary import Vocabulary, underscored, words_of

Names = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class EntityMap:
    """How a source system stores one entity.

    `tables` are the source's own names for it. `columns` lists the names that each target field
    may have in a file: the first one found is used, and where its cell is empty, the columns in
    `fallbacks` are used. `statuses` and `priorities` map our values to the source's words for
    them; common words (`domain.values.vocabulary`, the entity's own statuses) need no entry.
    """

    tables: tuple[str, ...]
    columns: Names
    fallbacks: Names = field(default_factory=dict)
    statuses: Vocabulary[str] = field(default_factory=dict)
    priorities: Vocabulary[int] = field(default_factory=dict)

    def default_mapping(self, entity: Entity, columns: Sequence[str]) -> ImportMapping:
        """The default mapping, limited to the columns that the file has."""
        return ImportMapping(
            field_mappings=tuple(self._field_mappings(entity, columns)),
            status_mappings=tuple(
                StatusMapping(source_status=word, target_status=status)
                for word, status in words_of(self.statuses)
            ),
            priority_mappings=tuple(
                PriorityMapping(source_priority=word, target_priority=priority)
                for word, priority in words_of(self.priorities)
            ),
        )

    def _field_mappings(self, entity: Entity, columns: Sequence[str]) -> Iterator[FieldMapping]:
        """Headers match without regard to case, or to space or underscore: `Short description` is
        short_description. Where several headers match, only one spelled exactly so is used."""
        changes = {each.name: each.transformation for each in entity.fields}
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for column in columns:
            alike[underscored(column)].append(column)

        def found(names: Iterable[str]) -> tuple[str, ...]:
            return tuple(filter(None, (column_of(n, alike[underscored(n)]) for n in names)))

        for target, names in self.columns.items():
            for source in found(names)[:1]:
                others = found(self.fallbacks.get(target, ()))
                yield FieldMapping(
                    source_field=source,
                    target_field=target,
                    transformation=changes[target],
                    fallback_fields=tuple(name for name in others if name != source),
                )
