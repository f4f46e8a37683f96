"""What a source system is to the rest of the service. Cheap to import: readers load on use."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Literal

from domain.mapping.fitting import column_of
from domain.mapping.mapping import FieldMapping
from domain.mapping.mapping import Mapping as FieldsMapping
from domain.values.vocabulary import underscored

if TYPE_CHECKING:  # polars and lxml must not come into the API process
    from sources.readers.batch import Batch, Limits, Profile, Reader

Record = Mapping[str, str | None]
Values = Literal["stored", "displayed", "both"]


@dataclass(frozen=True, slots=True)
class LazyReader:
    """A Reader by its name, `module:function`, imported when it is first called."""

    name: str

    def __call__(
        self, stream: BinaryIO, profile: "Profile", table: str, limits: "Limits"
    ) -> "Iterator[Batch]":
        read: Reader = resolve_name(self.name)
        return read(stream, profile, table, limits)


@dataclass(frozen=True, slots=True)
class Source:
    """One source system: what it exports and what its fields mean.

    `readers` by format. `tables` are the source's own names for an entity; `table(entity)` joins
    them for a Reader. `utc_formats` hold UTC time stamps unless the user names a zone, and those in
    `only_utc` whatever he names. `identity` is
    the source field that identifies a record. `default_mapping(entity, columns)` maps the columns
    that a file really has. `labels_priorities`: a priority is displayed as a digit with a word that
    administrators choose. `export_limit`: an export of so many records may have been cut there.
    `values_of` columns and some records says how the file has its values, where they show it.
    """

    system: str
    readers: Mapping[str, LazyReader]
    tables: Mapping[str, tuple[str, ...]]
    default_mapping: Callable[[str, Sequence[str]], FieldsMapping]
    identity: str | None = None
    utc_formats: frozenset[str] = field(default_factory=frozenset)
    only_utc: frozenset[str] = field(default_factory=frozenset)
    labels_priorities: bool = False
    export_limit: int | None = None
    values_of: Callable[[Sequence[str], Iterable[Record]], Values | None] = lambda _, __: None

    def table(self, entity: str) -> str:
        """The `table` argument of a Reader for this entity."""
        return " ".join(self.tables[entity])


def fill_targets(
    candidates: Mapping[str, tuple[str, ...]],
    columns: Sequence[str],
    fallbacks: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> tuple[FieldMapping, ...]:
    """Map each target field from the first of its candidates that is among the columns; where that
    is empty, its `fallbacks` take its place.

    Case and the choice of space or underscore do not count, so a header `Short description`
    is short_description; of several that are alike one has to be spelled exactly so (`column_of`).
    """
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for column in columns:
        alike[underscored(column)].append(column)

    def found(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(filter(None, (column_of(name, alike[name]) for name in names)))

    return tuple(
        FieldMapping(
            source_field=source,
            target_field=target,
            transformation="trim" if target == "title" else None,
            fallback_fields=tuple(n for n in found(fallbacks.get(target, ())) if n != source),
        )
        for target, names in candidates.items()
        for source in found(names)[:1]
    )
