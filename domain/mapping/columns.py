"""Maps a batch of source records onto an entity, by whole columns.

The hot path of an import. Imports polars: not for workflows or the API.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from domain.failures import Rejected
from domain.mapping.canonical import content_hash, custom_json
from domain.mapping.conversions import convert
from domain.mapping.plan import Plan, Target
from domain.values.blanks import comparable, seen
from domain.values.date_rules import DateRules
from domain.values.lookup import fault_where, first_faults

ROW = "_row"
KEY_BYTES = 1024  # an entry of a PostgreSQL index holds about 2,700 bytes
_SHOWN_CHARACTERS = 200  # of a name, an id or a value in a report

_DETAILS = {
    "required_missing": "{field} is required and has no value",
    "unknown_value": "no meaning is known for this {field}; name it in the mapping, or"
    " '*' for all others",
    "boolean_invalid": "{field} wants a word such as true, false, yes, no, 1 or 0",
    "date_invalid": "{field} wants a date; this value cannot be read as one: name its dateFormat",
    "date_zone_unknown": "{field} ends in a zone's short name that clocks in {zone} did not show at"
    " that time; pass the sourceTimezone where they did, name a dateFormat that has the word in it,"
    " or correct the value",
    "date_out_of_range": "{field} wants a date from the year 1 to the year 9999",
    "date_ambiguous": "day and month of this {field} cannot be told apart; name the dateOrder",
    "source_id_missing": "the record has no value that identifies it; name a sourceIdField",
    "source_id_too_long": f"an identifier has at most {KEY_BYTES} bytes",
    "value_too_long": f"{{field}} has at most {KEY_BYTES} bytes",
}
_MISFIT = (
    "{field} wants a date; this one cannot be read by the dateFormat {format}: correct the value,"
    " or the mapping's dateFormat"
)


@dataclass(frozen=True, slots=True)
class Mapped:
    """A batch as it is to be imported.

    `rows` holds `_row`, `source_id`, the planned fields in the entity's order (String,
    Datetime("us", "UTC"), Boolean or Int16), `custom` (JSON text or null) and `content_hash`
    (Int64, of what the file says of the record, so without default values). A record with any fault
    is not in `rows`; `rejected` has all its faults, in row order. `told` are the same rows, with
    null where only a default value fills a field.
    """

    rows: pl.DataFrame
    told: pl.DataFrame
    rejected: list[Rejected]


class _Column(NamedTuple):
    """A target column of a batch. `faults` has a code or null per row; None if no row has a fault.
    `defaulted` says per row whether its value is the default; None if no row has the default.
    `dates` are the rules by which its dates were read."""

    name: str
    texts: pl.Series
    values: pl.Series
    faults: pl.Series | None
    defaulted: pl.Series | None = None
    dates: DateRules = DateRules()


class _Source(NamedTuple):
    """The columns of a batch by name, with null for the plan's `null_values`. `texts` and `of` also
    return null for a text without a visible character."""

    height: int
    columns: Mapping[str, pl.Series]

    def texts(self, name: str | None) -> pl.Series:
        if name is not None and name in self.columns:
            return seen(self.columns[name])
        return pl.repeat(None, self.height, dtype=pl.String, eager=True)

    def of(self, target: Target) -> pl.Series:
        """The texts for a target field: from its own column; where that is empty, from the first
        fallback that is not empty."""
        texts = self.texts(target.source)
        for name in target.fallbacks:
            texts = texts.zip_with(texts.is_not_null(), self.texts(name))
        return texts


def source_texts(frame: pl.DataFrame, name: str | None, plan: Plan) -> pl.Series:
    """One source field as the mapping sees it, with null for empty and blank values."""
    wanted = [frame[each] for each in (ROW, name) if each is not None and each in frame.columns]
    return _source(pl.DataFrame(wanted), plan).texts(name)


def map_columns(frame: pl.DataFrame, plan: Plan) -> Mapped:
    """Map the records of `frame`. Its column `_row` is Int64, all others are String, without U+0000
    (the readers reject it). A field that is absent counts as null."""
    source = _source(frame, plan)
    fields = [_field(source, target, plan) for target in plan.targets]
    source_id = _source_id(source, plan, frame[ROW])
    used = plan.used_sources()
    unmapped = {name: texts for name, texts in source.columns.items() if name not in used}
    content = pl.DataFrame([field.values.alias(field.name) for field in fields])
    content = content.with_columns(custom=custom_json(unmapped))
    stated = _without_defaults(content, fields)
    identity, hashed = (frame[ROW], source_id.values.alias("source_id")), content_hash(stated)
    rows = content.select(*identity, pl.all(), hashed)
    told = rows if stated is content else stated.select(*identity, pl.all(), hashed)
    return _without_faulty(rows, told, [source_id, *fields])


def _without_defaults(content: pl.DataFrame, fields: Sequence[_Column]) -> pl.DataFrame:
    """The content with null where only a default value fills a field."""
    filled = {each.name: each.defaulted for each in fields if each.defaulted is not None}
    empty = (pl.when(~mask).then(pl.col(name)).alias(name) for name, mask in filled.items())
    return content.with_columns(*empty) if filled else content


def _source(frame: pl.DataFrame, plan: Plan) -> _Source:
    # A field may be named "*" or "^a$", which are patterns to polars. So expressions get numbers
    # for the columns, never the names that the source gives them.
    names = [name for name in frame.columns if name != ROW]
    texts = pl.DataFrame([frame[name].alias(str(number)) for number, name in enumerate(names)])
    is_empty = pl.all().is_in(plan.null_values)
    texts = texts.select(pl.when(~is_empty).then(pl.all()))
    return _Source(frame.height, dict(zip(names, texts, strict=True)))


def _field(source: _Source, target: Target, plan: Plan) -> _Column:
    texts = source.of(target)
    values, faults = convert(texts, target, plan)
    defaulted = None
    if target.default is not None and values.has_nulls():
        defaulted = values.is_null()
        values = values.fill_null(pl.lit(target.default, dtype=values.dtype))
    elif target.required and target.default is None:
        faults = first_faults(faults, fault_where(values.is_null(), "required_missing"))
    if target.field.indexed:
        values = comparable(values)
        too_long = fault_where(values.str.len_bytes() > KEY_BYTES, "value_too_long")
        faults = first_faults(faults, too_long)
    dates = plan.dates_of(target)
    return _Column(target.field.name, texts, values, faults, defaulted, dates)


def _ids_by_row(rows: pl.Series, file: str) -> _Column:
    """Identities for a file that has no ids: the hash of the file, and the row of the record."""
    ids = (pl.lit(f"{file}/") + rows.cast(pl.String)).alias("source_id")
    values = pl.select(ids).to_series()
    return _Column("source_id", values, values, None)


def _source_id(source: _Source, plan: Plan, rows: pl.Series) -> _Column:
    """The identities of the records. A record without an id is identified by its number, the value
    of the field external_id, where the plan allows that."""
    if plan.file is not None:
        return _ids_by_row(rows, plan.file)
    ids = source.texts(plan.identity)
    number = plan.number()
    if number is not None and ids.null_count():
        numbers = convert(source.of(number), number, plan).values
        ids = ids.zip_with(ids.is_not_null(), numbers)
    ids = comparable(ids)
    missing = fault_where(ids.is_null(), "source_id_missing")
    too_long = fault_where(ids.str.len_bytes() > KEY_BYTES, "source_id_too_long")
    return _Column("source_id", ids, ids, first_faults(missing, too_long))


def _without_faulty(rows: pl.DataFrame, told: pl.DataFrame, columns: Sequence[_Column]) -> Mapped:
    faulty = [column for column in columns if column.faults is not None]
    if not faulty:
        return Mapped(rows, told, [])
    sound = pl.all_horizontal(pl.lit(column.faults).is_null() for column in faulty)
    rejected = [each for column in faulty for each in _rejected(rows, column)]
    kept = rows.filter(sound)
    told = kept if told is rows else told.filter(sound)
    return Mapped(kept, told, sorted(rejected, key=lambda each: each.row))


def _rejected(rows: pl.DataFrame, column: _Column) -> Iterator[Rejected]:
    field = _shown(column.name)
    faults = rows.select(ROW, "source_id").with_columns(code=column.faults, value=column.texts)
    for row, source_id, code, value in faults.drop_nulls("code").iter_rows():
        yield Rejected(
            row=row,
            code=code,
            detail=_detail(code, column),
            field=field,
            value=_shown(value),
            source_id=_shown(source_id),
        )


def _detail(code: str, column: _Column) -> str:
    dates = column.dates
    detail = _MISFIT if code == "date_invalid" and dates.format is not None else _DETAILS[code]
    return detail.format(field=_shown(column.name), zone=dates.zone, format=dates.format)


def _shown(value: str | None) -> str | None:
    """A value as a report shows it."""
    return None if value is None else value[:_SHOWN_CHARACTERS]
