"""The interface of a source system. Cheap to import: readers are loaded on first use."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from domain.failures import BadInput
from domain.mapping.entities.registry import ENTITIES
from domain.mapping.mapping import ImportMapping
from sources.entity_map import EntityMap

if TYPE_CHECKING:  # polars and lxml must not come into the API process
    from sources.readers.chunk import Reader

Record = Mapping[str, str | None]
Values = Literal["stored", "displayed", "both"]


@dataclass(frozen=True, slots=True)
class Source:
    """One source system: the formats it exports, its entities, and what its values mean.

    `readers` maps each format to a function that imports its Reader, so that a parser is loaded
    only where a file is read. `entities` maps the name of each entity that the source has to how
    it is stored. Time stamps are UTC in `utc_formats` unless the user names a zone, and in
    `only_utc` even then. `identity` is the source field that identifies a record.
    `labels_priorities`: a priority is displayed as a digit with a word that administrators choose.
    `export_limit`: the source ends an export after so many records, so it may be incomplete.
    `values_of` tells from a file's columns and some of its records whether its values are stored
    or displayed ones; None where they do not show it.
    """

    system: str
    readers: Mapping[str, "Callable[[], Reader]"]
    entities: Mapping[str, EntityMap]
    identity: str | None = None
    utc_formats: frozenset[str] = field(default_factory=frozenset)
    only_utc: frozenset[str] = field(default_factory=frozenset)
    labels_priorities: bool = False
    export_limit: int | None = None
    values_of: Callable[[Sequence[str], Iterable[Record]], Values | None] = lambda _, __: None

    def reader(self, format: str) -> "Reader":
        """Load and return the Reader of a format."""
        return self.readers[format]()

    def table(self, entity: str) -> str:
        """The `table` argument of a Reader for this entity: the source's own names, joined."""
        return " ".join(self._map(entity).tables)

    def default_mapping(self, entity: str, columns: Sequence[str]) -> ImportMapping:
        """The entity's default mapping, limited to the columns that the file has."""
        return self._map(entity).default_mapping(ENTITIES[entity], columns)

    def _map(self, entity: str) -> EntityMap:
        """Raises BadInput for an entity that the source does not have."""
        if entity not in self.entities:
            known = ", ".join(self.entities)
            detail = f"{self.system} has no entity {entity!r}; it has {known}"
            raise BadInput("entity_unsupported", detail)
        return self.entities[entity]
