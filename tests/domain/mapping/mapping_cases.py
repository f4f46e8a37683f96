"""Shorthand for the tests of this folder: frames, plans and hostile text."""

from collections.abc import Mapping as Record
from typing import Any

import polars as pl
from hypothesis import strategies as st

from domain.mapping.columns import ROW, Mapped, map_columns
from domain.mapping.entities.incident import INCIDENT
from domain.mapping.mapping import ImportMapping
from domain.mapping.plan import Plan

SCHEMA = {ROW: pl.Int64}
TextRecord = Record[str, str | None]
REQUIRED = ("title", "status", "priority")


def a_mapping(*fields: dict[str, Any], **more: Any) -> ImportMapping:
    """The given field mappings, and good ones for whatever is required and not among them."""
    named = {field["targetField"] for field in fields}
    rest = [{"sourceField": name, "targetField": name} for name in REQUIRED if name not in named]
    return ImportMapping.model_validate({"fieldMappings": [*fields, *rest], **more})


def to(target: str, source: str = "x", **more: Any) -> dict[str, Any]:
    return {"sourceField": source, "targetField": target, **more}


def a_plan(*fields: dict[str, Any], zone: str | None = None, **more: Any) -> Plan:
    return Plan.build(a_mapping(*fields, **more), INCIDENT, "sys_id", zone)


def a_frame(*records: TextRecord) -> pl.DataFrame:
    """Records with all that is required, unless they say otherwise."""
    names = dict.fromkeys(name for record in records for name in record)
    schema = SCHEMA | dict.fromkeys(("sys_id", *REQUIRED, *names), pl.String)
    rows = [
        {ROW: row, "sys_id": f"id{row}", "title": "t", "status": "new", "priority": "1", **record}
        for row, record in enumerate(records, 1)
    ]
    return pl.DataFrame(rows, schema=schema)


def mapped(plan: Plan, *records: TextRecord) -> Mapped:
    return map_columns(a_frame(*records), plan)


def value_of(result: Mapped, column: str) -> Any:
    """The value in the only row."""
    assert result.rejected == []
    (value,) = result.rows[column]
    return value


def faults_of(result: Mapped) -> list[tuple[int, str | None, str]]:
    return [(each.row, each.field, each.code) for each in result.rejected]


_HOSTILE = (
    *("", " ", "\0", "a\0b", '"', "\\", '\\"', "\\u0000", "}{", '","x":"', "null", "\x1f", "NULL"),
    *("2020-01-02 03:04:05", "2/1/2020", "99999-01-01", "1", "2 - High", "new", "true", "😀"),
)
HOSTILE = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(_HOSTILE)
