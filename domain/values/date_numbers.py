"""Reads dates that are numbers. Imports polars: not for workflows or the API."""

import polars as pl

from domain.values.date_rules import NUMBERS

_NUMBER = r"^-?[0-9]{1,14}(?:\.[0-9]{1,17})?$"
_UNITS = dict(zip(NUMBERS, (10**6, 10**3, 86_400 * 10**6), strict=True))  # microseconds
_EPOCH = pl.datetime(1970, 1, 1, time_unit="us")
# Excel counts a 29 February 1900, which never was, as day 60; the days before it are one day off.
_EXCEL, _EXCEL_FIRST = pl.datetime(1899, 12, 30, time_unit="us"), 61
_LONGEST = 290_000 * 366 * 86_400 * 10**6  # about as far as microseconds in 64 bits go


def read_numbers(texts: pl.Series, form: str) -> pl.Series:
    """The times that numbers count, as Datetime without zone; null where a text is no such number.

    `form` is one of NUMBERS.
    """
    texts = texts.alias("text")
    is_number = texts.str.contains(_NUMBER).fill_null(False)
    number = pl.col("text").cast(pl.Float64, strict=False)
    # A spreadsheet's time of day is a binary fraction: 10:15 comes out a little before or after.
    step = 1_000 if form == "excel" else 1
    micros = (number * _UNITS[form] / step).round() * step
    sound = micros.abs() < _LONGEST
    if form == "excel":
        sound &= number >= _EXCEL_FIRST
    counted = pl.duration(microseconds=pl.when(sound).then(micros).cast(pl.Int64))
    start = _EXCEL if form == "excel" else _EPOCH
    return pl.DataFrame([texts.set(~is_number, None)]).select(at=start + counted).to_series()
