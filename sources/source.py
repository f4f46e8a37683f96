"""What a source system is to the rest of the service. Cheap to import: readers load on use."""

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
    """One source system: what it exports and what its fields mean.

    `readers` by format: each is a function that imports the Reader, so that a parser is loaded
    where a file is read and nowhere else. `entities` are those that the source has, by name.
    `utc_formats` hold UTC time stamps unless the user names a zone, and those in `only_utc`
    whatever he names. `identity` is the source field that identifies a record.
    `labels_priorities`: a priority is displayed as a digit with a word that administrators choose.
    `export_limit`: an export of so many records may have been cut there. `values_of` columns and
    some records says how the file has its values, where they show it.
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
        """The Reader of a format, with its parser loaded."""
        return self.readers[format]()

    def table(self, entity: str) -> str:
        """The `table` argument of a Reader for this entity: the source's own names, joined."""
        return " ".join(self._map(entity).tables)

    def default_mapping(self, entity: str, columns: Sequence[str]) -> ImportMapping:
        """The mapping of the columns that a file really has."""
        return self._map(entity).default_mapping(ENTITIES[entity], columns)

    def _map(self, entity: str) -> EntityMap:
        """Raises BadInput for an entity that the source does not have."""
        if entity not in self.entities:
            known = ", ".join(self.entities)
            detail = f"{entity!r} is none of what {self.system} has: {known}"
            raise BadInput("entity_unsupported", detail)
        return self.entities[entity]
