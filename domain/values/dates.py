"""Reads columns of time stamps. Imports polars: not for workflows or the API."""

from datetime import MAXYEAR, MINYEAR, timedelta
from functools import lru_cache
from itertools import pairwise

import polars as pl

from domain.values.blanks import plain
from domain.values.date_numbers import read_numbers
from domain.values.date_parts import date_parts
from domain.values.date_rules import NUMBERS, DateOrder, DateRules
from domain.values.zones import ahead_by_word, offsets

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


def _usual_forms(order: DateOrder | None) -> tuple[str, ...]:
    """The forms that most exports use. chrono, the parser of polars, reads them ten times faster
    than `date_parts` takes a text apart."""
    forms = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f%z")
    date = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y"}.get(order or "")
    dotted = {"dmy": "%d.%m.%Y", "mdy": "%m.%d.%Y"}.get(order or "dmy")
    more = (f"{dotted} %H:%M:%S",) if dotted else ()
    return (*forms, *more, f"{date} %H:%M", f"{date} %I:%M %p") if date else (*forms, *more)


def _by_forms(texts: pl.Series, forms: tuple[str, ...], rules: DateRules) -> pl.DataFrame:
    """Reads each text by the first of the forms that fits it, or by its parts if none does."""
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
    # chrono reads the year of "20-01-01" as 20: such texts are left to `date_parts`, which counts
    # the digits.
    return at.set(~at.dt.year().is_between(1000, 9998), None)


def _strptime(texts: pl.Series, form: str, zone: str) -> pl.Series:
    at = texts.str.to_datetime(form, strict=False, cache=False, time_unit="us")
    return at if at.dtype == INSTANT else _localized(at, zone)


def _by_parts(texts: pl.Series, rules: DateRules) -> pl.DataFrame:
    parts = date_parts(texts, rules.order)
    parts = parts.with_columns(zoned=_localized(parts["local"], rules.zone))
    if parts["word"].null_count() < parts.height:
        parts = _with_words(parts, rules.zone)
    exact = (pl.col("local") - pl.col("ahead")).dt.replace_time_zone("UTC")
    at = pl.when("named").then(exact).otherwise("zoned")
    return parts.select(at=at, fault=pl.when(at.is_null()).then("fault"))


def _with_words(parts: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Reads zones' short names as the zone of the rules uses them: CST alone may be in America or
    China, and PST in July is a time that no clock showed."""
    pairs = parts.select("local", "word").unique().drop_nulls()
    aheads = [ahead_by_word(local, word, zone) for local, word in pairs.iter_rows()]
    pairs = pairs.with_columns(by_word=pl.Series(aheads, dtype=pl.Duration("us")))
    parts = parts.join(pairs, on=["local", "word"], how="left", maintain_order="left")
    unsure = pl.col("word").is_not_null() & pl.col("local").is_not_null()
    return parts.with_columns(
        ahead=pl.coalesce("ahead", "by_word"),
        fault=pl.when(unsure).then(pl.lit("date_zone_unknown")).otherwise("fault"),
    )


def _by_format(texts: pl.Series, form: str, zone: str) -> pl.DataFrame:
    texts = plain(texts)
    at = _localized(*_numbered(texts, form, zone)) if form in NUMBERS else _read(texts, form, zone)
    unread = (texts != "") & at.is_null()
    return pl.select(at=at, fault=pl.when(unread).then(pl.lit("date_invalid")))


def _numbered(texts: pl.Series, form: str, zone: str) -> tuple[pl.Series, str]:
    """The times that numbers count, and their zone: a spreadsheet counts local time, others UTC."""
    return read_numbers(texts, form), zone if form == "excel" else "UTC"


def _read(texts: pl.Series, form: str, zone: str) -> pl.Series:
    if form.endswith("%z"):  # chrono knows an offset of hours and minutes only
        texts = texts.str.replace("[Zz]$", "+0000").str.replace("([+-][0-9]{2})$", "${1}00")
    # Python's ".%f" is a fraction of a second; chrono's "%f" counts nanoseconds.
    at = _strptime(texts, form.replace(".%f", "%.f"), zone)
    return _with_whole_year(at, texts) if "%Y" in form else at


def _with_whole_year(at: pl.Series, texts: pl.Series) -> pl.Series:
    """The times, but null where the year is not written with four digits: chrono reads the year
    of `1/2/25` as 25."""
    year = pl.col("at").dt.year()
    digits = pl.col("text").str.replace("[+-][0-9]{2}:?[0-9]{2}$", "")
    whole = (year >= 1_000) | digits.str.contains(year.cast(pl.String).str.zfill(4))
    frame = pl.DataFrame([at.alias("at"), texts.alias("text")])
    return frame.select(pl.when(whole).then("at")).to_series()


def _localized(local: pl.Series, zone: str) -> pl.Series:
    """The instants of local times, by the same rules as `domain.values.zones.instant`."""
    return (local - _aheads(local, zone)).dt.replace_time_zone("UTC")


def _aheads(local: pl.Series, zone: str) -> pl.Series | timedelta:
    """How far ahead of UTC each local time is; one answer where it is the same for all."""
    if zone == "UTC":
        return timedelta()
    years = local.dt.year().unique()
    starts, aheads = _changes(zone, tuple(years.drop_nulls().sort()))
    return aheads[0] if starts.is_empty() else aheads.gather(starts.search_sorted(local, "right"))


@lru_cache(1_000)
def _changes(zone: str, years: tuple[int, ...]) -> tuple[pl.Series, pl.Series]:
    """The local times of these years at which the offset changes, and the offsets: the first one
    holds before the first change."""
    # Python knows the years 1 to 9999, polars more; `_storable` refuses instants beyond them.
    known = sorted({min(max(year, MINYEAR), MAXYEAR) for year in years}) or [MINYEAR]
    found = [each for year in known for each in offsets(zone, year)]
    changes = [each for last, each in pairwise(found) if each.ahead != last.ahead]
    starts = pl.Series([each.start for each in changes], dtype=pl.Datetime("us"))
    aheads = [found[0].ahead, *(each.ahead for each in changes)]
    return starts, pl.Series(aheads, dtype=pl.Duration("us"))


def _storable(read: pl.DataFrame) -> tuple[pl.Series, pl.Series | None]:
    storable = pl.col("at").is_between(_FIRST, _LAST)
    read = read.select(
        at=pl.when(storable).then("at"),
        fault=pl.when(~storable).then(pl.lit("date_out_of_range")).otherwise("fault"),
    )
    clean = read["fault"].null_count() == read.height
    return read["at"], None if clean else read["fault"]
