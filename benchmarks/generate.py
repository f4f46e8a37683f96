"""Generates ServiceNow incident exports of any size: 22 columns, about 460 bytes a CSV row.

A record depends on its number only, so all formats and sizes have the same records.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import BinaryIO, Literal

import polars as pl
import polars_hash as plh

Format = Literal["csv", "json", "xml"]

_SLICE_ROWS = 50_000
_EPOCH = 1_672_531_200  # 2023-01-01T00:00:00Z
_WORDS = [
    *("network", "printer", "laptop", "email", "vpn", "password", "server", "database", "outage"),
    *("slow", "error", "login", "access", "request", "update", "install", "broken", "screen"),
    *("disk", "memory"),
]
_PHRASES = [" ".join(Random(7 * n).choices(_WORDS, k=3)) for n in range(1_000)]
# Reference fields: an XML unload holds the sys_id of the record, and its name as `display_value`.
_REFERENCES = ("assigned_to", "assignment_group", "caller_id")


def export(cache: Path, format: Format, rows: int) -> Path:
    """The path of an export in `cache`; generated the first time."""
    path = cache / f"incidents-{rows}.{format}"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            _WRITERS[format](file, _slices(rows))
        unfinished.rename(path)
    return path


def _slices(rows: int) -> Iterator[pl.DataFrame]:
    for start in range(0, rows, _SLICE_ROWS):
        yield incidents(start, min(start + _SLICE_ROWS, rows))


def incidents(start: int, stop: int) -> pl.DataFrame:
    """Records number `start` to `stop - 1`: 22 String columns as a ServiceNow list shows them."""
    numbers = pl.int_range(start, stop, dtype=pl.UInt64, eager=True).to_frame("n")
    opened = pl.lit(_EPOCH, dtype=pl.Int64) + _random("opened", 60_000_000)
    return numbers.select(
        sys_id=_sys_id(pl.col("n")),
        number=pl.format("INC{}", pl.col("n").cast(pl.String).str.zfill(7)),
        short_description=_phrases("short", 2),
        description=_phrases("long", 4) + _sometimes('\nline two, with "quotes"'),
        state=_any_of("state", list("123678")),
        priority=_any_of("priority", list("12345")),
        impact=_any_of("impact", list("123")),
        urgency=_any_of("urgency", list("123")),
        category=_any_of("category", _WORDS),
        subcategory=_any_of("subcategory", _WORDS),
        assigned_to=pl.format("user{}@example.com", _random("assigned", 900)),
        assignment_group=pl.format("Group {}", _random("group", 60)),
        caller_id=pl.format("user{}@example.com", _random("caller", 9_000)),
        opened_at=_time(opened),
        sys_created_on=_time(opened + 1),
        sys_updated_on=_time(opened + 9_000),
        resolved_at=_time(opened + 8_000),
        closed_at=_time(opened + 9_000),
        close_code=pl.lit("Solved (Permanently)"),
        close_notes=_phrases("notes", 2),
        active=pl.lit("false"),
        location=pl.format("Site {}", _random("location", 99)),
    )


def _sys_id(key: pl.Expr) -> pl.Expr:
    digest = plh.CryptographicHashingNameSpace(key.cast(pl.String)).sha2_256()
    return digest.str.head(32)


def _random(what: str, below: int) -> pl.Expr:
    """A number from 0 to `below` - 1 that looks random, and is the same on every machine and in
    every version of polars."""
    text = pl.concat_str(pl.lit(what), pl.col("n"))
    number = plh.NonCryptographicHashingNameSpace(text).xxh3_64(seed=7) % below
    return number.cast(pl.Int64)


def _any_of(what: str, words: list[str]) -> pl.Expr:
    return pl.lit(pl.Series(words)).gather(_random(what, len(words)))


def _phrases(what: str, count: int) -> pl.Expr:
    phrases = [_any_of(f"{what} {place}", _PHRASES) for place in range(count)]
    return pl.concat_str(phrases, separator=" ")


def _sometimes(text: str) -> pl.Expr:
    return pl.when(pl.col("n") % 10 == 0).then(pl.lit(text)).otherwise(pl.lit(""))


def _time(seconds: pl.Expr) -> pl.Expr:
    return pl.from_epoch(seconds).dt.strftime("%Y-%m-%d %H:%M:%S")


def _write_csv(file: BinaryIO, slices: Iterator[pl.DataFrame]) -> None:
    for place, frame in enumerate(slices):
        frame.write_csv(
            file, include_header=place == 0, quote_style="always", line_terminator="\r\n"
        )


def _write_json(file: BinaryIO, slices: Iterator[pl.DataFrame]) -> None:
    for place, frame in enumerate(slices):
        file.write(b",\n" if place else b'{"records":[')
        records = frame.write_ndjson().rstrip("\n").replace("\n", ",\n")
        file.write(records.encode())
    file.write(b"]}\n")


def _write_xml(file: BinaryIO, slices: Iterator[pl.DataFrame]) -> None:
    file.write(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<unload unload_date="2024-11-25 09:00:00">\n'
    )
    for frame in slices:
        for record in frame.select(_record(frame.columns)).to_series():
            file.write(record.encode())
    file.write(b"</unload>\n")


def _record(columns: list[str]) -> pl.Expr:
    members = [_reference(name) if name in _REFERENCES else _element(name) for name in columns]
    begin, end = '<incident action="INSERT_OR_UPDATE">', "</incident>\n"
    return pl.concat_str(pl.lit(begin), *members, pl.lit(end))


def _element(name: str) -> pl.Expr:
    text = pl.col(name).str.replace_many({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    return pl.format(f"<{name}>{{}}</{name}>", text)


def _reference(name: str) -> pl.Expr:
    return pl.format(
        f'<{name} display_value="{{}}">{{}}</{name}>', pl.col(name), _sys_id(pl.col(name))
    )


_WRITERS: dict[Format, Callable[[BinaryIO, Iterator[pl.DataFrame]], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "xml": _write_xml,
}
