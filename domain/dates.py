"""Reads columns of time stamps. Imports polars: not for workflows or the API."""

from datetime import timedelta

import polars as pl

from domain.date_parts import date_parts, two_way_dates
from domain.date_rules import DateEvidence, DateRules
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
    at = _quickly(texts, rules.zone)
    rest = (at.is_null() & texts.is_not_null()).arg_true()
    if rest.is_empty():
        return at, None
    careful = _by_parts(texts.gather(rest), rules)
    faults = pl.repeat(None, len(texts), dtype=pl.String, eager=True)
    at, faults = at.scatter(rest, careful["at"]), faults.scatter(rest, careful["fault"])
    return _storable(pl.DataFrame({"at": at, "fault": faults}))


def date_evidence(frame: pl.DataFrame, plan: Plan) -> DateEvidence:
    """What this batch's nn/nn/yyyy dates, over all time stamp columns, tell about their order."""
    wanted = {each.source for each in plan.targets if each.field.kind == "timestamp"}
    columns = frame.select(name for name in frame.columns if name in wanted)
    return DateEvidence.total(map(two_way_dates, columns))


def _quickly(texts: pl.Series, zone: str) -> pl.Series:
    """The form that ServiceNow writes, ten times faster than taking a text apart.

    chrono reads "20-01-01" as the year 20, so only sure years count here.
    """
    local = texts.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, cache=False, time_unit="us")
    return _localized(local.set(~local.dt.year().is_between(1000, 9998), None), zone)


def _by_parts(texts: pl.Series, rules: DateRules) -> pl.DataFrame:
    parts = date_parts(texts, rules.order)
    parts = parts.with_columns(zoned=_localized(parts["local"], rules.zone))
    exact = (pl.col("local") - pl.col("ahead")).dt.replace_time_zone("UTC")
    at = pl.when("named").then(exact).otherwise("zoned")
    return parts.select(at=at, fault=pl.when(at.is_null()).then("fault"))


def _by_format(texts: pl.Series, form: str, zone: str) -> pl.DataFrame:
    # Python's ".%f" is a fraction of a second; chrono's "%f" counts nanoseconds.
    form = form.replace(".%f", "%.f")
    at = texts.str.to_datetime(form, strict=False, time_unit="us")
    if at.dtype != INSTANT:
        at = _localized(at, zone)
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
