"""Reads columns of time stamps. Imports polars: not for workflows or the API."""

from datetime import timedelta

import polars as pl

from domain.date_parts import date_parts, two_way_dates
from domain.date_rules import DateEvidence, DateOrder, DateRules
from domain.plan import Plan

INSTANT = pl.Datetime("us", "UTC")

_FIRST = pl.datetime(1, 1, 1, time_zone="UTC")
_LAST = pl.datetime(9999, 12, 31, 23, 59, 59, 999_999, time_zone="UTC")


def read_instants(texts: pl.Series, rules: DateRules) -> tuple[pl.Series, pl.Series | None]:
    """The instants (INSTANT) of a String column, and a fault code where a text has none.

    The second is None when there is no fault at all. Values without a zone are in `rules.zone`.
    """
    if rules.format is not None:
        return _storable(_by_format(texts, rules.format, rules.zone))
    return _storable(_by_forms(texts, _usual_forms(rules.order), rules))


def date_evidence(frame: pl.DataFrame, plan: Plan) -> DateEvidence:
    """What this batch's nn/nn/yyyy dates, over all columns of dates, tell about their order."""
    dated = (t for t in plan.targets if t.field.kind == "timestamp" or t.transformation == "date")
    wanted = {target.source for target in dated}
    columns = (frame[name] for name in frame.columns if name in wanted)
    return DateEvidence.total(map(two_way_dates, columns))


def _usual_forms(order: DateOrder | None) -> tuple[str, ...]:
    """What most exports hold; chrono reads these ten times faster than a text is taken apart."""
    forms = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f%z", "%d.%m.%Y %H:%M:%S")
    date = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y"}.get(order or "")
    return (*forms, f"{date} %H:%M", f"{date} %I:%M %p") if date else forms


def _by_forms(texts: pl.Series, forms: tuple[str, ...], rules: DateRules) -> pl.DataFrame:
    """Each form reads what those before it could not, and the careful reading what is left."""
    if not forms:
        return _by_parts(texts, rules)
    at = _by_form(texts, forms[0], rules.zone)
    rest = (at.is_null() & texts.is_not_null()).arg_true()
    faults = pl.repeat(None, len(texts), dtype=pl.String, eager=True)
    if not rest.is_empty():
        read = _by_forms(texts.gather(rest), forms[1:], rules)
        at, faults = at.scatter(rest, read["at"]), faults.scatter(rest, read["fault"])
    return pl.DataFrame({"at": at, "fault": faults})


def _by_form(texts: pl.Series, form: str, zone: str) -> pl.Series:
    at = _strptime(texts, form, zone)
    # chrono reads the year of "20-01-01" as 20: where the digits matter, they must be counted.
    return at.set(~at.dt.year().is_between(1000, 9998), None)


def _strptime(texts: pl.Series, form: str, zone: str) -> pl.Series:
    at = texts.str.to_datetime(form, strict=False, cache=False, time_unit="us")
    return at if at.dtype == INSTANT else _localized(at, zone)


def _by_parts(texts: pl.Series, rules: DateRules) -> pl.DataFrame:
    parts = date_parts(texts, rules.order)
    parts = parts.with_columns(zoned=_localized(parts["local"], rules.zone))
    exact = (pl.col("local") - pl.col("ahead")).dt.replace_time_zone("UTC")
    at = pl.when("named").then(exact).otherwise("zoned")
    return parts.select(at=at, fault=pl.when(at.is_null()).then("fault"))


def _by_format(texts: pl.Series, form: str, zone: str) -> pl.DataFrame:
    # Python's ".%f" is a fraction of a second; chrono's "%f" counts nanoseconds.
    at = _strptime(texts, form.replace(".%f", "%.f"), zone)
    unread = (texts.str.strip_chars() != "") & at.is_null()
    return pl.select(at=at, fault=pl.when(unread).then(pl.lit("date_invalid")))


def _localized(local: pl.Series, zone: str) -> pl.Series:
    """The instants of local times.

    Of an hour that came twice, the first; an hour that never was goes by the offset before it.
    """
    at = _instants(local, zone)
    gaps = (at.is_null() & local.is_not_null()).arg_true()
    if gaps.is_empty():
        return at
    day = timedelta(days=1)
    return at.scatter(gaps, _instants(local.gather(gaps) - day, zone) + day)


def _instants(local: pl.Series, zone: str) -> pl.Series:
    zoned = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def _storable(read: pl.DataFrame) -> tuple[pl.Series, pl.Series | None]:
    storable = pl.col("at").is_between(_FIRST, _LAST)
    read = read.select(
        at=pl.when(storable).then("at"),
        fault=pl.when(~storable).then(pl.lit("date_out_of_range")).otherwise("fault"),
    )
    clean = read["fault"].null_count() == read.height
    return read["at"], None if clean else read["fault"]
