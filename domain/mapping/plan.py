"""A mapping made ready for use on every batch of one job."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Self

from domain.mapping.defaults import read_default
from domain.mapping.entity import Entity, Field
from domain.mapping.kinds import Value
from domain.mapping.mapping import FieldMapping, ImportMapping
from domain.mapping.transformations import TRANSFORMATIONS, Transformation
from domain.values.date_rules import DateRules
from domain.values.reading import ReadingRules
from domain.values.vocabulary import labelled_priority_of


@dataclass(frozen=True, slots=True)
class Target:
    """A target field and how it is filled; `source` is None where nothing is mapped to it.

    Where the source is empty, the first of `fallbacks` that is not empty fills the field. The
    values of fallbacks are kept in `custom` as well, unless they have a field of their own.
    """

    field: Field
    source: str | None = None
    transformation: Transformation | None = None
    default: Value | None = None
    required: bool = False
    date_format: str | None = None
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with every batch of a job. Built once; see `domain.mapping.columns.map_columns`.

    `targets` are in the entity's order: the mapped fields, and required ones that are not mapped.
    `identity` is the source field that identifies a record; where it has no value and
    `identity_or_number` is set, what maps to external_id identifies the record. If `file` (a hash
    of the file's bytes) is set, no column identifies a record, and its row in the file does.
    """

    targets: tuple[Target, ...]
    identity: str | None
    identity_or_number: bool
    null_values: tuple[str, ...]
    rules: ReadingRules
    file: str | None = None

    @classmethod
    def build(
        cls,
        mapping: ImportMapping,
        entity: Entity,
        identity_field: str | None = None,
        source_timezone: str | None = None,
    ) -> Self:
        """The plan for a mapping. `source_timezone` is the job's zone; the zone that the mapping
        names goes before it.

        Raises ValueError for an unknown target field, or a default that its field cannot hold. The
        other faults that `mapping_problems` reports are not looked for.
        """
        rules = mapping.reading_rules(entity, source_timezone)
        return cls(
            targets=tuple(_targets(mapping, entity, rules)),
            identity=mapping.source_id_field or identity_field,
            identity_or_number=mapping.source_id_field is None,
            null_values=("", *mapping.null_values),
            rules=rules,
        )

    def number(self) -> Target | None:
        """The target external_id, which identifies records without an identity; None if it is not
        mapped, or the mapping names another field for that."""
        numbers = (each for each in self.targets if each.field.name == "external_id")
        return next(numbers, None) if self.identity_or_number else None

    def placed(self, columns: Collection[str], file: str) -> Self:
        """The plan for a file with these columns. If none of them can identify a record, and the
        mapping has no sourceIdField, a record's row in the file identifies it."""
        number = self.number()
        named = {self.identity, number and number.source, *(number.fallbacks if number else ())}
        known = not self.identity_or_number or named & {*columns}
        return self if known else replace(self, file=file)

    def labelled(self) -> Self:
        """The plan for a source that displays priorities as ServiceNow does."""
        words = replace(self.rules.priorities, known=labelled_priority_of)
        return replace(self, rules=replace(self.rules, priorities=words))

    def dates_of(self, target: Target) -> DateRules:
        """How the dates of one field are to be read."""
        dates = self.rules.dates
        return replace(dates, format=target.date_format or dates.format)

    def rules_of(self, target: Target) -> ReadingRules:
        """How the values of one field are to be read."""
        return replace(self.rules, dates=self.dates_of(target))

    def told_fields(self, columns: Collection[str]) -> Iterator[str]:
        """The target fields that a file with these columns may have values for. A field without
        such a column can only get its default value."""
        for each in self.targets:
            if {each.source, *each.fallbacks} & {*columns}:
                yield each.field.name

    def read_sources(self) -> frozenset[str]:
        """The source fields that the mapping reads, including the fallbacks."""
        fallbacks = (name for target in self.targets for name in target.fallbacks)
        return self.used_sources() | {*fallbacks}

    def used_sources(self) -> frozenset[str]:
        """The source fields with a column of their own; the others go into `custom`."""
        sources = (target.source for target in self.targets)
        return frozenset(source for source in (*sources, self.identity) if source is not None)


def _targets(mapping: ImportMapping, entity: Entity, rules: ReadingRules) -> Iterator[Target]:
    known = {field.name for field in entity.fields}
    if unknown := [m.target_field for m in mapping.field_mappings if m.target_field not in known]:
        raise ValueError(f"{entity.name} has no field {unknown[0]!r}")
    for field in entity.fields:
        each = mapping.source_of(field.name)
        if each is not None:
            yield _target(each, field, read_default(each.default_value, field, rules))
        elif field.required:
            yield Target(field, required=True)


def _target(each: FieldMapping, field: Field, default: Value | None) -> Target:
    return Target(
        field=field,
        source=each.source_field,
        transformation=TRANSFORMATIONS[each.transformation] if each.transformation else None,
        default=default,
        required=each.required or field.required,
        date_format=each.date_format,
        fallbacks=each.fallback_fields,
    )
