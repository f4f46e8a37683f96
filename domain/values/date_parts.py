"""Takes a time stamp's text apart. Imports polars: not for workflows or the API.

yyyy-mm-dd and yyyy/mm/dd, and nn/nn/yyyy, nn-nn-yyyy or nn.nn.yyyy in either order; then, if
given, after blanks, T or a comma, hh:mm[:ss[.fraction]], AM or PM, and Z, an offset from UTC or a
zone's short name. Digits are counted, so that a year of two digits is never read as one of four.
"""

import polars as pl

from domain.values.blanks import plain
from domain.values.date_rules import DateEvidence, DateOrder

_PARTS = (
    r"^(?P<a>[0-9]{1,6})(?P<mark>[-/.])(?P<b>[0-9]{1,2})[-/.](?P<c>[0-9]{1,6})"
    r"(?:(?:[T ]+|, *)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r" ?(?P<half>[AaPp][Mm])?"
    r" ?(?P<zone>Z|z|(?:UTC|GMT)[+-][0-9]|(?:UTC|GMT)?[+-][0-9]{2}(?::?[0-9]{2})?"
    r"|(?P<word>[A-Za-z]{2,5}))?)?$"
)
_TWO_WAYS = r"^(?P<a>[0-9]{1,2})(?P<mark>[-/.])(?P<b>[0-9]{1,2})[-/.][0-9]{4}(?:[^0-9]|$)"
_PERHAPS = r"^[^0-9]*[0-9][^0-9]*[0-9]?[^0-9]*[-/.]"  # may be such a date, with any blanks in it
_A, _B, _C = pl.col("a"), pl.col("b"), pl.col("c")


def date_parts(texts: pl.Series, order: DateOrder | None) -> pl.DataFrame:
    """Per text: `local` (Datetime without zone, null if unread), `named`, `ahead`, `word`, `fault`.

    `named` says whether the text names a zone, and `ahead` is how far (a Duration) that zone is
    ahead of UTC. `ahead` is null if the text names no zone, or an impossible offset, or only the
    short name of a zone, which then is `word`. `fault` is the code to report if the text has no
    instant; it is set for every text that is not blank.
    """
    texts = plain(texts)
    parts = texts.str.extract_groups(_PARTS).struct.unnest()
    return (
        parts.with_columns(text=texts, order=_order(order))
        .with_columns(year=_part(_C, _C, _A), month=_part(_B, _A, _B), day=_part(_A, _B, _C))
        .select(
            local=_clock().str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
            + _fraction(),
            named=pl.col("zone").is_not_null(),
            ahead=_ahead(),
            word=pl.when(~_is_utc()).then(pl.col("word").str.to_uppercase()),
            fault=_fault(),
        )
    )


def two_way_dates(texts: pl.Series) -> DateEvidence:
    """What the nn/nn/yyyy dates of a column show about their order. Dates with dots that read both
    ways are counted apart, as they are day first unless other dates of the file show otherwise."""
    # A source field may be named "*", which is a pattern to polars.
    texts = texts.alias("text")
    if not texts.str.contains(_PERHAPS).any():  # usual where the year comes first
        return DateEvidence()
    parts = plain(texts).str.extract_groups(_TWO_WAYS).struct.unnest()
    first, second = parts["a"].cast(pl.Int8), parts["b"].cast(pl.Int8)
    both_ways, dots = (first <= 12) & (second <= 12) & (first != second), parts["mark"] == "."
    return DateEvidence(
        dmy=int(((first > 12) & (second <= 12)).sum()),
        mdy=int(((first <= 12) & (second > 12)).sum()),
        ambiguous=int((both_ways & ~dots).sum()),
        dotted=int((both_ways & dots).sum()),
    )


def _order(named: DateOrder | None) -> pl.Expr:
    """The order of a date's three numbers. `named` is the order that the mapping names; without
    it, null where nothing tells day from month."""
    year_first, year_last = _A.str.len_bytes() >= 4, _C.str.len_bytes() >= 4
    dotted = pl.when(year_last & (pl.col("mark") == ".")).then(pl.lit(named or "dmy"))
    of_year_last = dotted.when(year_last).then(pl.lit(named) if named else _order_by_size())
    return pl.when(year_first).then(pl.lit("ymd")).otherwise(of_year_last)


def _order_by_size() -> pl.Expr:
    """The order that the numbers show by themselves: 25/3 is day first, 5/5 the same both ways."""
    first, second = _A.cast(pl.Int32), _B.cast(pl.Int32)
    either = pl.when((first > 12) | (first == second)).then(pl.lit("dmy"))
    return either.when(second > 12).then(pl.lit("mdy"))


def _part(dmy: pl.Expr, mdy: pl.Expr, ymd: pl.Expr) -> pl.Expr:
    order = pl.col("order")
    month_last = pl.when(order == "dmy").then(dmy).when(order == "mdy").then(mdy)
    return month_last.when((order == "ymd") & (_C.str.len_bytes() <= 2)).then(ymd)


def _clock() -> pl.Expr:
    """ISO text for polars' parser, which knows the calendar; null, or no date of the calendar,
    where the text has no valid time."""
    four_digits = pl.when(pl.col("year").str.len_bytes() == 4).then(pl.col("year"))
    minute, second = pl.col("minute").fill_null("00"), pl.col("second").fill_null("00")
    return pl.format("{}-{}-{} {}:{}:{}", four_digits, "month", "day", _hour(), minute, second)


def _hour() -> pl.Expr:
    hour, half = pl.col("hour").cast(pl.Int32), pl.col("half").str.to_lowercase()
    of_day = hour % 12 + pl.when(half == "pm").then(12).otherwise(0)
    twelve = pl.when(half.is_null()).then(hour).when(hour.is_between(1, 12)).then(of_day)
    return pl.when(hour.is_null()).then(0).otherwise(twelve).cast(pl.String)


def _fraction() -> pl.Expr:
    digits = (pl.col("fraction").fill_null("0") + "000000").str.head(6)
    return pl.duration(microseconds=digits.cast(pl.Int64))


def _ahead() -> pl.Expr:
    zone = pl.col("zone").str.replace(":", "", literal=True).str.replace("^(UTC|GMT)", "")
    zone = zone.str.replace("^([+-])([0-9])$", "${1}0$2")
    hours = zone.str.slice(1, 2).cast(pl.Int64, strict=False)
    named = zone.str.slice(3, 2).cast(pl.Int64, strict=False)
    minutes = pl.when(zone.str.len_bytes() == 3).then(0).otherwise(named)
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    offset = pl.when((hours < 16) & (minutes < 60)).then(sign * (hours * 60 + minutes))
    ahead = pl.when(_is_utc()).then(0).otherwise(offset)
    return pl.when(ahead.is_not_null()).then(pl.duration(minutes=ahead))


def _is_utc() -> pl.Expr:
    return pl.col("zone").str.to_lowercase().is_in(["z", "utc", "gmt"])


def _fault() -> pl.Expr:
    digits = pl.max_horizontal(_A.str.len_bytes(), _C.str.len_bytes())
    unclear = pl.col("order").is_null() & (digits == 4)
    return (
        pl.when((digits > 4) | (pl.col("year") == "0000"))
        .then(pl.lit("date_out_of_range"))
        .when(unclear)
        .then(pl.lit("date_ambiguous"))
        .when(pl.col("text") != "")
        .then(pl.lit("date_invalid"))
    )
