"""The parts of a row that stand for the whole of it: `custom` and the content hash.

Imports polars: not for workflows or the API.
"""

import json
from hashlib import sha256

import polars as pl
import polars_hash as plh

# What a JSON string must not hold as it is (RFC 8259 section 7).
_ESCAPED = r'["\\\x00-\x1f]'
_ESCAPES = {character: json.dumps(character)[1:-1] for character in (*map(chr, range(32)), *'"\\')}


def custom_json(texts: pl.DataFrame) -> pl.Series:
    """Each row's values as the text of a JSON object, by field name; null where it has none."""
    members = [_member(texts[name]) for name in sorted(texts.columns) if _has_value(texts[name])]
    if not members:
        return pl.repeat(None, texts.height, dtype=pl.String, eager=True).alias("custom")
    joined = pl.concat_str(members, separator=",", ignore_nulls=True)
    braced = pl.concat_str(pl.lit("{"), joined, pl.lit("}"))
    return pl.select(pl.when(joined != "").then(braced).alias("custom")).to_series()


def content_hash(values: pl.DataFrame) -> pl.Series:
    """A 64-bit hash of each row's values by column name, the same in every run and version.

    XXH3 of each value as text, seeded by the name of its column and joined by exclusive or:
    neither the order of the columns nor a column without a value counts, so a later version
    with more fields still knows its rows again.
    """
    combined = pl.lit(0, dtype=pl.UInt64)
    for name, dtype in values.schema.items():
        combined = combined ^ _value_hash(name, dtype).fill_null(0)
    return values.select(combined.reinterpret(signed=True).alias("content_hash")).to_series()


def _has_value(texts: pl.Series) -> bool:
    return texts.null_count() < len(texts)


def _member(texts: pl.Series) -> pl.Expr:
    """`"name":"value"`; null stays null."""
    if texts.str.contains(_ESCAPED).any():
        texts = texts.str.replace_many(_ESCAPES)
    return pl.concat_str(
        pl.lit(json.dumps(texts.name, ensure_ascii=False) + ':"'), pl.lit(texts), pl.lit('"')
    )


def _value_hash(name: str, dtype: pl.DataType) -> pl.Expr:
    text = pl.col(name).to_physical().cast(pl.String)
    seed = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
    return plh.NonCryptographicHashingNameSpace(text).xxh3_64(seed=seed)
