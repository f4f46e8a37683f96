"""Imports of the same records as CSV (compared with the floor), JSON and XML."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.floor import floor, settle, unload
from benchmarks.generate import Format, export
from benchmarks.importing import PARTS, Import, import_once, timed_import
from benchmarks.plan import Plan
from benchmarks.report import Figure, Line, spread
from benchmarks.stack import Stack, stack

_ROWS = 500_000


def import_csv(plan: Plan) -> Line:
    """CSV compared with the floor: imports and floor runs take turns in one database."""
    rows = plan.rows or _ROWS
    file = export(plan.cache, "csv", rows)
    with stack() as running:
        runs = list(_beside_floor(running, file, rows, plan.repeat))
    imports, floors = [each for each, _ in runs], [each for _, each in runs]
    execute, total = _median(imports, "execute"), _median(imports, "total")
    figures = [
        Figure("execute_ratio", execute / median(floors), 1.5),
        Figure("total_ratio", total / median(floors), 2.5),
        Figure("rows_per_s", rows / total),
    ]
    return Line("import_csv", figures, _details(rows, imports) | {"floor_s": spread(floors)})


def import_json(plan: Plan) -> Line:
    """The same records as JSON."""
    return _format(plan, "json")


def import_xml(plan: Plan) -> Line:
    """The same records as a ServiceNow XML unload."""
    return _format(plan, "xml")


def _beside_floor(
    running: Stack, file: Path, rows: int, repeat: int
) -> Iterator[tuple[Import, float]]:
    with tempfile.TemporaryDirectory() as directory:
        mapped = Path(directory) / "mapped.csv"
        for _ in range(repeat):
            tenant = running.new_tenant()
            imported = timed_import(tenant, file, rows)
            if not mapped.exists():
                unload(running, tenant.schema, mapped)
            settle(running, tenant.schema)
            yield imported, floor(running, tenant.schema, mapped)


def _format(plan: Plan, format: Format) -> Line:
    rows = plan.rows or _ROWS
    file = export(plan.cache, format, rows)
    with stack() as running:
        imports = [import_once(running, file, rows) for _ in range(plan.repeat)]
    rate = rows / _median(imports, "total")
    figures = [Figure("records_per_s", rate, 30_000, "at_least")]
    return Line(f"import_{format}", figures, _details(rows, imports))


def _median(imports: list[Import], part: str) -> float:
    seconds: list[float] = [getattr(each, part) for each in imports]
    return median(seconds)


def _details(rows: int, imports: list[Import]) -> dict[str, object]:
    parts = {part: [getattr(each, part) for each in imports] for part in PARTS}
    return {"rows": rows} | {f"{part}_s": spread(runs) for part, runs in parts.items()}
