"""Looks up the words of a column, and marks the rows that are at fault.

Imports polars: not for workflows or the API.
"""

from collections.abc import Callable
from typing import Any

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from domain.values.reading import Converted


def look_up(
    texts: pl.Series, meaning: Callable[[str], Any], dtype: DataType | DataTypeClass, code: str
) -> Converted:
    """The meanings of a column's words, and the fault `code` where a word has none.

    Each different word is looked up once, as few words fill many rows. A blank one is an empty
    value, without a fault.
    """
    words = texts.drop_nulls().unique().to_list()
    meanings = [meaning(word) if word.strip() else None for word in words]
    values = texts.replace_strict(words, meanings, default=None, return_dtype=dtype)
    unknown = [w for w, m in zip(words, meanings, strict=True) if m is None and w.strip()]
    return Converted(values, fault_where(texts.is_in(unknown), code) if unknown else None)


def fault_where(mask: pl.Series, code: str) -> pl.Series | None:
    """The code in the rows where the mask is true; None when it is true in none."""
    return pl.select(pl.when(mask).then(pl.lit(code))).to_series() if mask.any() else None


def first_faults(first: pl.Series | None, second: pl.Series | None) -> pl.Series | None:
    """Per row the fault in `first`, else the one in `second`; None if both are None."""
    if first is None or second is None:
        return second if first is None else first
    return first.zip_with(first.is_not_null(), second)
