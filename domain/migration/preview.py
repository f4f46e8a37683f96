"""The preview: what users see of a file before it is imported."""

from collections.abc import Iterator
from collections.abc import Mapping as ReadOnly
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from domain.failures import Rejected
from domain.json_document import Json
from domain.mapping.entity import Entity
from domain.mapping.fitting import absent_columns
from domain.mapping.kinds import TIMESTAMP
from domain.mapping.mapping import ImportMapping
from domain.mapping.suggestion import Suggestion, suggest
from domain.migration.remark import Remark
from domain.values.date_rules import DateEvidence
from domain.values.zones import UTC_NAMES

SAMPLES = 10  # records that a preview shows
ERRORS = 20  # faults that a preview shows; the job's list of errors has more


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class SampleRecord(_Model):
    """A record as it is in the file and as it would be imported; `mapped` is null if rejected."""

    row: int
    source_id: str | None
    source: dict[str, str | None]
    mapped: Json | None


class Elsewhere(NamedTuple):
    """Another source of the tenant: of the first `of` ids of the file, `known` are ids of its
    records."""

    source_system: str
    source_instance: str
    known: int
    of: int


class Survey(_Model):
    """What one pass over the whole file found, with the mapping at hand.

    `columns` are the source fields in file order, `identity` the one that the source identifies
    its records by. `time_zone` is the zone that the upload names. `zone_known`: the zone of time
    stamps without one is named by somebody or prescribed by the format. `is_stored`: the values are
    as the source stores them, with times in UTC.
    """

    columns: tuple[str, ...] = ()
    identity: str | None = None
    total_records: int = 0
    invalid_records: int = 0
    duplicate_records: int = 0
    known_records: int = 0
    edited_records: int = 0
    samples: tuple[SampleRecord, ...] = ()
    errors: tuple[Rejected, ...] = ()
    encoding: str = "utf-8"
    delimiter: str | None = None
    ignored: ReadOnly[str, int] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    dates: DateEvidence = DateEvidence()
    time_zone: str | None = None
    zone_known: bool = False
    is_stored: bool = False
    has_ids: bool = True
    elsewhere: Elsewhere | None = None


class Preview(ImportMapping):
    """The file, its counts and the mapping in use.

    The members of the mapping stand beside the others under their own names, as the platform's
    clients read them.
    """

    job_id: str
    mapping_revision: int
    total_records: int
    valid_records: int
    invalid_records: int
    duplicate_records: int
    known_records: int
    edited_records: int
    sample_records: tuple[SampleRecord, ...]
    suggestions: tuple[Suggestion, ...]
    unmapped_fields: tuple[str, ...]
    missing_required_fields: tuple[str, ...]
    recommendations: tuple[str, ...]
    warnings: tuple[str, ...]
    remarks: tuple[Remark, ...]
    encoding: str
    delimiter: str | None
    ignored_records: dict[str, int]
    errors: tuple[Rejected, ...]


def build_preview(
    job_id: str, revision: int, survey: Survey, mapping: ImportMapping, entity: Entity
) -> Preview:
    """The preview of a job's file under a mapping; `revision` counts the job's mappings."""
    return Preview(
        **dict(mapping),
        job_id=job_id,
        mapping_revision=revision,
        total_records=survey.total_records,
        valid_records=survey.total_records - survey.invalid_records,
        invalid_records=survey.invalid_records,
        duplicate_records=survey.duplicate_records,
        known_records=survey.known_records,
        edited_records=survey.edited_records,
        sample_records=survey.samples[:SAMPLES],
        suggestions=tuple(suggest(survey.columns, entity, mapping)),
        unmapped_fields=unmapped_fields(survey, mapping),
        missing_required_fields=missing_required_fields(mapping, entity),
        recommendations=tuple(_recommendations(survey, mapping, entity)),
        warnings=(*survey.warnings, *_warnings(survey, mapping)),
        remarks=survey.remarks,
        encoding=survey.encoding,
        delimiter=survey.delimiter,
        ignored_records=dict(survey.ignored),
        errors=survey.errors[:ERRORS],
    )


def unmapped_fields(survey: Survey, mapping: ImportMapping) -> tuple[str, ...]:
    """The source fields that have no target and do not identify the record."""
    used = {each.source_field for each in mapping.field_mappings}
    used.add(mapping.source_id_field or survey.identity or "")
    return tuple(name for name in survey.columns if name not in used)


def missing_required_fields(mapping: ImportMapping, entity: Entity) -> tuple[str, ...]:
    """The target fields that every record needs and that nothing is mapped to."""
    required = (field.name for field in entity.fields if field.required)
    return tuple(name for name in required if mapping.source_of(name) is None)


def _warnings(survey: Survey, mapping: ImportMapping) -> Iterator[str]:
    if absent := absent_columns(mapping, survey.columns):
        yield (
            f"the file has no column {_listed(tuple(map(repr, absent)))}, which the mapping names: "
            "what it would fill stays empty"
        )
    zone = mapping.source_timezone or survey.time_zone
    if survey.is_stored and zone not in (None, *UTC_NAMES):
        yield (
            f"values are as the source stores them, in UTC, but time stamps are read in {zone}, as"
            " sourceTimezone says: leave it out if they are UTC"
        )


def _recommendations(survey: Survey, mapping: ImportMapping, entity: Entity) -> Iterator[str]:
    if missing := missing_required_fields(mapping, entity):
        yield f"Map a source field to {_listed(missing)}: every record needs a value there."
    if unmapped := unmapped_fields(survey, mapping):
        yield (
            f"{_listed(unmapped)} {_is(unmapped)} not mapped; the values are kept in `custom`. "
            "Map what should have a field of its own."
        )
    yield from _about_dates(survey, mapping, entity)
    if not survey.has_ids:
        yield (
            "No column identifies a record, so its place in the file does: only an upload of the "
            "very same file is recognised. Map external_id or name a sourceIdField if there is one."
        )
    if survey.duplicate_records:
        yield (
            f"{_records_are(survey.duplicate_records)} of the same ticket as an earlier record, by "
            "id or by number. The first one counts, or with updateExisting the last one; a "
            "different sourceIdField may tell them apart."
        )
    if survey.known_records:
        yield (
            f"{_records_are(survey.known_records)} of {_tickets(survey.known_records)} that the "
            "tenant has already, by id or by number, "
            f"{survey.edited_records} of them edited here since. They are skipped; "
            "updateExisting updates the fields that the file has values for, with overwriteEdits "
            "also in edited records."
        )
    if found := survey.elsewhere:
        instance = f", instance {found.source_instance!r}" if found.source_instance else ""
        yield (
            f"{found.known} of the first {_records(found.of)} an id that the tenant has from "
            f"{found.source_system}{instance}. If they are the same records, upload the file with "
            "that sourceSystem and sourceInstance, or they are imported a second time."
        )
    if survey.invalid_records:
        yield (
            f"{survey.invalid_records} of {survey.total_records} records cannot be imported. "
            "Change the mapping or the file, or import the others with continueOnError."
        )


def _about_dates(survey: Survey, mapping: ImportMapping, entity: Entity) -> Iterator[str]:
    if mapping.date_order is None and mapping.date_format is None and survey.dates.undecided:
        yield (
            f"Pass dateOrder (dmy or mdy): day and month of {survey.dates.ambiguous} dates "
            "cannot be told apart."
        )
    fields = {field.name for field in entity.fields if field.kind is TIMESTAMP}
    has_times = any(each.target_field in fields for each in mapping.field_mappings)
    if has_times and not survey.zone_known and mapping.source_timezone is None:
        yield (
            "Time stamps without a zone are read as UTC; pass sourceTimezone if the file was "
            "exported in another zone."
        )


def _listed(names: tuple[str, ...], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _is(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def _records(count: int) -> str:
    return "1 record has" if count == 1 else f"{count} records have"


def _records_are(count: int) -> str:
    return "1 record is" if count == 1 else f"{count} records are"


def _tickets(count: int) -> str:
    return "a ticket" if count == 1 else "tickets"
