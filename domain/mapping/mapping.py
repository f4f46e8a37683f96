"""What a user says about the fields of a file: the mapping of an import, as the API takes it.

The names are those the platform's clients already send: `fieldMappings`, `statusMappings`,
`priorityMappings`. What the platform leaves open (null markers, date order, the identity
column) is added beside them, always optional.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from domain.mapping.defaults import read_default
from domain.mapping.entity import PRIORITIES, Entity
from domain.mapping.entity import Field as TargetField
from domain.mapping.transformations import TRANSFORMATIONS
from domain.values.date_rules import DateOrder, DateRules, checked_date_format
from domain.values.reading import ReadingRules
from domain.values.vocabulary import (
    PLANNING,
    Words,
    priority_kept,
    priority_words,
    status_spelt,
    status_words,
)
from domain.values.zones import check_known, check_place


class _IsTransformation:
    """Accepts the names of transformations, and lists them in the schema, as a Literal would."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.literal_schema([*TRANSFORMATIONS])


TransformationName = Annotated[str, _IsTransformation()]
TimeZone = Annotated[str, AfterValidator(check_known)]
DateFormat = Annotated[str, AfterValidator(checked_date_format)]
Text = Annotated[str, BeforeValidator(lambda value: str(value) if _is_number(value) else value)]

_SHARED_NUMBER = (
    "external_id takes no defaultValue: all records without a number would share that one;"
    " leave it out"
)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid"
    )


class FieldMapping(_Model):
    """Maps one source field to one target field. `dateFormat` is for this field alone, and goes
    before that of the whole mapping. Where the source field is empty, the first of `fallbackFields`
    that is not empty takes its place; where all are empty, `defaultValue` fills the field."""

    source_field: str = Field(min_length=1, max_length=1000)
    target_field: str = Field(min_length=1, max_length=63)
    transformation: TransformationName | None = None
    required: bool = False
    default_value: str | int | bool | None = None
    date_format: DateFormat | None = None
    fallback_fields: tuple[str, ...] = Field(default=(), max_length=10)


class StatusMapping(_Model):
    """Maps a status of the source to one of the entity; the source status `"*"` stands for all
    others."""

    source_status: Text
    target_status: Annotated[str, AfterValidator(status_spelt)]


class PriorityMapping(_Model):
    """Maps a priority of the source to 1 (critical) to 4 (low); `"*"` stands for all others. The 5
    of the platform's own scale, planning, is stored as 4."""

    source_priority: Text
    target_priority: Annotated[
        int, Field(ge=PRIORITIES[0], le=PLANNING), AfterValidator(priority_kept)
    ]


class ImportMapping(_Model):
    """A whole mapping, as it is previewed, stored as a template and executed.

    `sourceIdField` names the column whose value identifies a record in its source. Without it, the
    source's own identity is used (ServiceNow: sys_id), else what maps to `external_id`; in a file
    without such columns, records are identified by their rows. `nullValues` are read as empty (the
    empty string always is). `dateOrder` decides dates such as 5/3/2016; `dateFormat` (strptime, or
    a word for numbers) replaces detection. Time stamps without a zone are in `sourceTimezone`, else
    in the zone that the upload names, else in UTC.
    """

    field_mappings: tuple[FieldMapping, ...] = ()
    status_mappings: tuple[StatusMapping, ...] = ()
    priority_mappings: tuple[PriorityMapping, ...] = ()
    source_id_field: str | None = None
    null_values: tuple[str, ...] = ()
    date_order: DateOrder | None = None
    date_format: DateFormat | None = None
    source_timezone: TimeZone | None = None

    def source_of(self, target: str) -> FieldMapping | None:
        """The mapping that fills a target field."""
        return next((m for m in self.field_mappings if m.target_field == target), None)

    def status_words(self, entity: Entity) -> Words[str]:
        """What the statuses of the source mean for this entity."""
        named = ((each.source_status, each.target_status) for each in self.status_mappings)
        return status_words(named, entity.statuses)

    def priority_words(self) -> Words[int]:
        """What the priorities of the source mean."""
        named = ((each.source_priority, each.target_priority) for each in self.priority_mappings)
        return priority_words(named)

    def reading_rules(self, entity: Entity, source_timezone: str | None = None) -> ReadingRules:
        """How values of the file, and defaults, are read. `source_timezone` is the job's zone; the
        zone that the mapping names goes before it."""
        zone = self.source_timezone or source_timezone or "UTC"
        dates = DateRules(zone=zone, order=self.date_order, format=self.date_format)
        return ReadingRules(self.status_words(entity), self.priority_words(), dates)


class MappingProblem(_Model):
    """A fault of a mapping, with a JSON pointer to it."""

    pointer: str
    code: str
    detail: str


def mapping_problems(mapping: ImportMapping, entity: Entity) -> Iterator[MappingProblem]:
    """Everything in a mapping that cannot work for this entity, whatever the file holds."""
    seen: set[str] = set()
    rules = mapping.reading_rules(entity)
    for position, each in enumerate(mapping.field_mappings):
        pointer = f"/fieldMappings/{position}/targetField"
        field = entity.field(each.target_field)
        if field is None:
            detail = f"{entity.name} has no field {each.target_field!r}"
            yield MappingProblem(pointer=pointer, code="unknown_target_field", detail=detail)
        else:
            yield from _default_problem(position, each, field, rules)
        if each.target_field in seen:
            detail = f"{each.target_field!r} is mapped twice"
            yield MappingProblem(pointer=pointer, code="duplicate_target_field", detail=detail)
        seen.add(each.target_field)
    for position, status in enumerate(mapping.status_mappings):
        if status.target_status not in entity.statuses:
            yield MappingProblem(
                pointer=f"/statusMappings/{position}/targetStatus",
                code="unknown_status",
                detail=f"{status.target_status!r} is none of {', '.join(entity.statuses)}",
            )
    yield from _zone_problem(mapping.source_timezone)


def _zone_problem(name: str | None) -> Iterator[MappingProblem]:
    """Reports an abbreviation of a zone: earlier versions allowed one, so stored mappings may have
    it."""
    try:
        check_place(name or "UTC")
    except ValueError as error:
        pointer = "/sourceTimezone"
        yield MappingProblem(pointer=pointer, code="ambiguous_time_zone", detail=str(error))


def _default_problem(
    position: int, each: FieldMapping, field: TargetField, rules: ReadingRules
) -> Iterator[MappingProblem]:
    detail = None
    try:
        value = read_default(each.default_value, field, rules)
        if value is not None and field.name == "external_id":
            detail = _SHARED_NUMBER
    except ValueError as error:
        detail = str(error)
    if detail is not None:
        pointer = f"/fieldMappings/{position}/defaultValue"
        yield MappingProblem(pointer=pointer, code="invalid_default", detail=detail)
