"""Replaces records that a tenant has by those of a file, as far as the file says anything of them.

A column that the file does not have changes nothing, `custom` is merged by key, and what
`storage.run.Replacing` says decides the rest. A record is compared with the row as it is, not with
what was imported last.
"""

from typing import Any

import polars as pl

from storage.copying import copy_columns, copy_rows, to_csv
from storage.known import Driver
from storage.run import Replacing, Run

_SAME = (
    "t.source_id = i.source_id and t.source_system = i.source_system"
    " and t.source_instance = i.source_instance"
)
_IMAGES = f"""
insert into {{schema}}.import_before_images (job_id, record_id, chunk, row_version, before)
select i.migration_job_id, t.id, $1, t.row_version + 1, to_jsonb(t)
from {{target}} t join incoming i on {_SAME}
where t.migration_job_id is distinct from i.migration_job_id
"""
_CHANGED = f"""
select t.source_id from {{target}} t join incoming i on {_SAME}
where row({{old}}) is distinct from row({{new}})
"""
_REPLACE = f"update {{target}} t set {{assignments}} from incoming i where {_SAME}"
_VERSION = "t.row_version + (t.migration_job_id is distinct from i.migration_job_id)::int"
_ALWAYS = {name: f"i.{name}" for name in ("migration_job_id", "content_hash", "source_row")} | {
    "imported_at": "now()",
    "row_version": _VERSION,
    "imported_version": _VERSION,
}


async def judge(driver: Driver, run: Run, rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The known records, each with `mine`, `kept` (it stays, whatever the file says), `differs`
    (from what was imported last) and `changes`: whether the first row with its id changes it."""
    how = run.replacing
    first = rows.unique("source_id", keep="first", maintain_order=True)
    contents = first.select("source_id", "content_hash")
    theirs = ~pl.col("mine")
    found = known.join(contents, on="source_id").with_columns(
        kept=pl.col("edited") & theirs & (not how.overwrite_edits),
        differs=pl.col("content_hash") != pl.col("known_hash"),
    )
    doubtful = pl.col("differs") | pl.col("edited") | how.empty_overwrites
    asked = found.filter(theirs & ~pl.col("kept") & doubtful)["source_id"]
    if run.duplicates != "update":
        asked = asked.clear()
    changed = await _changed(driver, run, first.filter(first["source_id"].is_in(asked.implode())))
    would = pl.col("source_id").is_in(changed)
    return found.select(
        *("source_id", "mine", "kept", "differs"),
        changes=pl.when("mine").then("differs").otherwise(would),
    )


async def replace_known(driver: Driver, run: Run, rows: pl.DataFrame, chunk: int) -> None:
    """Replace what the tenant has by these rows, one for each id, after keeping what it was."""
    await _bring(driver, run, rows)
    await driver.execute(_IMAGES.format(schema=run.tenant_id.schema, target=run.target), chunk)
    await driver.execute("select set_config('app.import', 'on', true)")
    assigned = _values(run.replacing) | _ALWAYS
    assignments = ", ".join(f'"{name}" = {value}' for name, value in assigned.items())
    query = _REPLACE.format(target=run.target, assignments=assignments)
    await driver.execute(query, *_arguments(run.replacing))


async def _changed(driver: Driver, run: Run, rows: pl.DataFrame) -> list[str]:
    if rows.is_empty():
        return []
    await _bring(driver, run, rows)
    values = _values(run.replacing)
    old, new = ", ".join(f't."{name}"' for name in values), ", ".join(values.values())
    query = _CHANGED.format(target=run.target, old=old, new=new)
    found = await driver.fetch(query, *_arguments(run.replacing))
    return [row["source_id"] for row in found]


async def _bring(driver: Driver, run: Run, rows: pl.DataFrame) -> None:
    """Have the rows as the table `incoming`, until the transaction ends."""
    columns = copy_columns(rows)
    named = ", ".join(f'"{name}"' for name in columns)
    await driver.execute("drop table if exists pg_temp.incoming")
    await driver.execute(
        f"create temp table incoming on commit drop as select {named} from {run.target} limit 0"
    )
    await copy_rows(driver, (None, "incoming"), columns, to_csv(rows))


def _values(how: Replacing) -> dict[str, str]:
    """The SQL of each column's value after the replacement of row `t` by `i`."""
    kept = "t.custom - $1::text[]" if how.empty_overwrites else "t.custom"
    fields = {
        name: f'i."{name}"' if how.empty_overwrites else f'coalesce(i."{name}", t."{name}")'
        for name in how.fields
    }
    return fields | {"custom": f"({kept}) || i.custom"}


def _arguments(how: Replacing) -> list[Any]:
    return [list(how.columns)] if how.empty_overwrites else []
