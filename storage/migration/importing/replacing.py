"""Updates records that a tenant has with the values of a file.

A column that the file does not have changes nothing, `custom` is merged by key, and `Replacing`
(storage/migration/importing/run.py) decides the rest. A record is compared with the tenant's row as
it is now, not with what was imported last.
"""

from typing import Any

import polars as pl

from storage.migration.importing.copying import copy_columns, copy_rows, to_csv
from storage.migration.importing.known_records import Driver
from storage.migration.importing.outcomes import OPEN, outcomes
from storage.migration.importing.run import Replacing, Run

_SAME = (
    "t.source_id = i.source_id and t.source_system = i.source_system"
    " and t.source_instance = i.source_instance"
)
_IMAGES = f"""
insert into {{schema}}.import_before_images (job_id, record_id, chunk, row_version, before)
select i.migration_job_id, t.id, $1, t.row_version + 1, to_jsonb(t)
from {{target}} t join incoming i on {_SAME}
where t.source_id = any($2) and t.migration_job_id is distinct from i.migration_job_id
"""
_CHANGED = f"""
select t.source_id from {{target}} t join incoming i on {_SAME}
where row({{old}}) is distinct from row({{new}})
"""
_VERSION = "t.row_version + (t.migration_job_id is distinct from i.migration_job_id)::int"
_ALWAYS = {name: f"i.{name}" for name in ("migration_job_id", "content_hash", "source_row")} | {
    "imported_at": "now()",
    "row_version": _VERSION,
    "imported_version": _VERSION,
}


async def judge(driver: Driver, run: Run, rows: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """For the first row of each known id, whether it would change the record; null for all other
    rows. Changes no record."""
    first = rows.unique("source_id", keep="first", maintain_order=True)
    open = outcomes(run, first, known).filter(pl.col("outcome") == OPEN).select("_row")
    changed = await _changed(driver, run, first.join(open, on="_row", how="semi"))
    is_judged = rows["_row"].is_in(first["_row"].implode()) & pl.col("source_id").is_in(
        known["source_id"].implode()
    )
    return rows.select(pl.when(is_judged).then(pl.col("source_id").is_in(changed))).to_series()


async def replace_known(driver: Driver, run: Run, rows: pl.DataFrame, chunk: int) -> list[str]:
    """Update the tenant's records with these rows (one row for each id), where that changes
    anything, and keep before-images. Returns the ids of the changed records."""
    changed = await _changed(driver, run, rows)
    if not changed:
        return []
    images = _IMAGES.format(schema=run.tenant_id.schema, target=run.target)
    await driver.execute(images, chunk, changed)
    await driver.execute("select set_config('app.import', 'on', true)")
    await driver.execute(_replacement(run), changed, *_arguments(run.replacing))
    return changed


def _replacement(run: Run) -> str:
    assigned = _values(run.replacing, "$2") | _ALWAYS
    assignments = ", ".join(f'"{name}" = {value}' for name, value in assigned.items())
    return (
        f"update {run.target} t set {assignments} from incoming i"
        f" where {_SAME} and t.source_id = any($1)"
    )


async def _changed(driver: Driver, run: Run, rows: pl.DataFrame) -> list[str]:
    """The ids of the rows that would change the tenant's records. Leaves the rows in `incoming`."""
    if rows.is_empty():
        return []
    await _fill_incoming(driver, run, rows)
    values = _values(run.replacing, "$1")
    old, new = ", ".join(f't."{name}"' for name in values), ", ".join(values.values())
    query = _CHANGED.format(target=run.target, old=old, new=new)
    found = await driver.fetch(query, *_arguments(run.replacing))
    return [row["source_id"] for row in found]


async def _fill_incoming(driver: Driver, run: Run, rows: pl.DataFrame) -> None:
    """Put the rows, and no others, into the temporary table `incoming`. The table is made once in a
    transaction, in which all rows have the same columns: a new table for each turn would add
    further locks each time."""
    columns = copy_columns(rows)
    named = ", ".join(f'"{name}"' for name in columns)
    await driver.execute(
        "create temp table if not exists incoming on commit drop"
        f" as select {named} from {run.target} limit 0"
    )
    await driver.execute("delete from incoming")
    await copy_rows(driver, (None, "incoming"), columns, to_csv(rows))


def _values(how: Replacing, columns: str) -> dict[str, str]:
    """For each column, the SQL of its value after row `t` was updated with row `i`. `columns` is
    the SQL parameter with the names of the file's columns that go into `custom`."""
    kept = f"t.custom - {columns}::text[]" if how.empty_overwrites else "t.custom"
    fields = {
        name: f'i."{name}"' if how.empty_overwrites else f'coalesce(i."{name}", t."{name}")'
        for name in how.fields
    }
    return fields | {"custom": f"({kept}) || i.custom"}


def _arguments(how: Replacing) -> list[Any]:
    return [list(how.columns)] if how.empty_overwrites else []
