"""Finds records whose fields contradict each other; the preview lists them as remarks.

Imports polars: not for workflows or the API.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import polars as pl

from domain.mapping.columns import ROW
from domain.mapping.entity import Entity
from domain.mapping.kinds import TIMESTAMP
from domain.migration.remark import LISTED_ROWS, Remark

_AHEAD_YEARS = 10  # a date further ahead is a mistyped year, another calendar or "never"
_NO_DATE_YEAR = 1900  # systems write 0001, 1601, 1899 or 1900 where there is no date at all
_OVER = "the status says that the record is over, but the record is active"
_OPEN = "the status says that the record is not over, but the record is not active"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A remark about the records for which `odd` is true; `odd` reads these `columns`."""

    code: str
    field: str
    detail: str
    odd: pl.Expr
    columns: frozenset[str]


def contradictions(rows: pl.DataFrame, entity: Entity) -> Iterator[Remark]:
    """The remarks about a batch of `Mapped.rows`."""
    rules = [r for r in _rules(entity, datetime.now(UTC).year) if r.columns <= {*rows.columns}]
    counts = rows.select(rule.odd.sum().alias(str(number)) for number, rule in enumerate(rules))
    for rule, count in zip(rules, counts.row(0) if rules else (), strict=True):
        if count:
            first = rows.filter(rule.odd).head(LISTED_ROWS)[ROW]
            yield Remark(
                code=rule.code, field=rule.field, detail=rule.detail, count=count, rows=(*first,)
            )


@lru_cache(100)
def _rules(entity: Entity, year: int) -> tuple[_Rule, ...]:
    return (*_about_dates(entity, year), *_about_order(), *_about_status(entity))


def _about_dates(entity: Entity, this_year: int) -> Iterator[_Rule]:
    far = _new_year(this_year + _AHEAD_YEARS + 1)
    for name in (field.name for field in entity.fields if field.kind is TIMESTAMP):
        date, columns = pl.col(name), frozenset((name,))
        detail = f"{name} is before {_NO_DATE_YEAR + 1}, as dates are that stand for no date"
        yield _Rule("date_long_ago", name, detail, date < _new_year(_NO_DATE_YEAR + 1), columns)
        detail = f"{name} is more than {_AHEAD_YEARS} years ahead"
        yield _Rule("date_far_ahead", name, detail, date >= far, columns)


def _new_year(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)


def _about_order() -> Iterator[_Rule]:
    for name in ("updated_at", "resolved_at", "closed_at"):
        before = pl.col(name) < pl.col("created_at")
        columns = frozenset((name, "created_at"))
        yield _Rule("dates_disagree", name, f"{name} is before created_at", before, columns)


def _about_status(entity: Entity) -> Iterator[_Rule]:
    status, active, columns = pl.col("status"), pl.col("active"), frozenset(("status", "active"))
    over = status.is_in(entity.over)
    yield _Rule("closed_but_active", "status", _OVER, over & active, columns)
    settled = status.is_in([*entity.over, *entity.resting])
    yield _Rule("open_but_inactive", "status", _OPEN, ~settled & ~active, columns)
    detail = "closed_at is set, but the status says that the record is not over"
    closed = pl.col("closed_at").is_not_null() & ~settled
    yield _Rule("open_but_closed", "status", detail, closed, frozenset(("status", "closed_at")))
