"""The computed columns of a row: `custom`, with the unmapped values, and the content hash.

Imports polars: not for workflows or the API.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from operator import itemgetter

import polars as pl
import polars_hash as plh

# The characters that a string of JSON must escape (RFC 8259 section 7).
_ESCAPED = r'["\\\x00-\x1f]'
_ESCAPES = {character: json.dumps(character)[1:-1] for character in (*map(chr, range(32)), *'"\\')}


def custom_json(columns: Mapping[str, pl.Series]) -> pl.Expr:
    """The String columns as a JSON object per row, by name; null where a row has no value."""
    named = sorted(columns.items(), key=itemgetter(0))
    members = [_member(name, texts) for name, texts in named if _has_value(texts)]
    if not members:
        return pl.lit(None, dtype=pl.String)
    joined = pl.concat_str(members, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}")))


def content_hash(values: pl.DataFrame) -> pl.Series:
    """A 64-bit hash of each row's values by column name, the same in every run.

    The hash is the exclusive or of one XXH3 for each value, taken as text and seeded by the name of
    its column. So neither the order of the columns nor a column without a value matters. A mapping
    or a later version of this service that reads a value differently, or into another column, makes
    another hash; an update then compares the records themselves.
    """
    combined = pl.lit(0, dtype=pl.UInt64)
    for name in values.columns:
        combined = combined ^ _value_hash(name).fill_null(0)
    return values.select(combined.reinterpret(signed=True).alias("content_hash")).to_series()


def _has_value(texts: pl.Series) -> bool:
    return texts.null_count() < len(texts)


def _member(name: str, texts: pl.Series) -> pl.Expr:
    """`"name":"value"`; null stays null."""
    if texts.str.contains(_ESCAPED).any():
        texts = texts.str.replace_many(_ESCAPES)
    opening = json.dumps(name, ensure_ascii=False) + ':"'
    return pl.concat_str(pl.lit(opening), pl.lit(texts), pl.lit('"'))


def _value_hash(name: str) -> pl.Expr:
    text = pl.col(name).to_physical().cast(pl.String)
    seed = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
    return plh.NonCryptographicHashingNameSpace(text).xxh3_64(seed=seed)
