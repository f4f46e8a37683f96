"""The structure of the code: allowed imports, and sizes of files and functions."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from integrations import CHANNELS

ROOT = Path(__file__).resolve().parents[1]

# What each package may import of the others. Arrows point inwards; settings is read by those who
# put things together, and handed on.
_BELOW = {
    *("domain", "settings", "sources", "egress", "integrations", "storage", "workflows"),
}
MAY_IMPORT: dict[str, set[str]] = {
    "domain": set(),
    "settings": set(),
    "collector": set(),
    "sources": {"domain"},
    "egress": {"domain"},
    "integrations": {"domain", "egress"},
    "storage": {"domain", "settings"},
    "workflows": {"domain"},
    "activities": _BELOW,
    "api": _BELOW | {"collector"},
    "console": {"domain", "api"},
    "commands": set(),  # a client of the HTTP API, as any other
    "embedded": {"settings", "storage"},
    "receivers": set(),  # they judge what we send by the vendors' pages, not by our code
    "worker": _BELOW | {"collector", "activities"},
    "cli": {"settings", "egress", "storage", "commands", "embedded", "receivers"},
    "benchmarks": {
        "domain",
        "integrations",
        "settings",
        "sources",
        "storage",
        "commands",
        "embedded",
        "receivers",
    },
}
PACKAGES = sorted(name for name in MAY_IMPORT if list(ROOT.glob(f"{name}/*.py")))
MODULES = sorted(
    path.relative_to(ROOT)
    for name in MAY_IMPORT
    for path in [*ROOT.glob(f"{name}.py"), *ROOT.glob(f"{name}/**/*.py")]
)
NAMES = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}

# Workflows run in Temporal's sandbox and are replayed: they know rules and Temporal, nothing else.
# These modules beside them belong to Temporal's clients.
CLIENT_SIDE = {"workflows/codec.py", "workflows/connection.py"}
WORKFLOW_MODULES = [
    path for path in MODULES if path.parts[0] == "workflows" and path.as_posix() not in CLIENT_SIDE
]
IN_WORKFLOWS = {"domain", "workflows", "temporalio", "pydantic", *sys.stdlib_module_names}

# Children get an environment of their own making; everything else asks settings.py.
READS_ENVIRONMENT = {"settings.py", "embedded/environment.py"}

FILE_LINES, FUNCTION_LINES, FOLDER_FILES = 300, 50, 15

# The same rooms on every floor. `mapping` belongs to migration.
MIGRATION, NOTIFICATION = {"migration", "mapping"}, {"notification"}
WALLS = {"migration": NOTIFICATION, "mapping": NOTIFICATION, "notification": MIGRATION}
WALLS |= {"integration": MIGRATION | NOTIFICATION, "values": MIGRATION | NOTIFICATION}
# What changes an integration tells, in the same transaction, those who depend on it.
DEPENDS_ON_INTEGRATION = {
    "storage.notification.routing.channels",
    "storage.notification.destinations",
    "storage.notification.parked",
}
# Where the rooms of a floor are put together.
PUT_TOGETHER = {"activities/reaping.py", "api/app.py", "workflows/all_steps.py"}
# One folder per outside system; what only some of them can do is an attribute of `Channel`.
VENDORS = {path.parts[1] for path in MODULES if path.match("integrations/*/__init__.py")}
NAMES_VENDORS = {"integrations", "receivers", "commands", "benchmarks"}
ROOMS = {"mapping", "migration", "notification", "integration", "tenancy"}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def imports(path: Path) -> Iterator[str]:
    """Every module imported anywhere in the file, also inside functions."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module)


@cache
def imported(path: Path) -> set[str]:
    """The modules of ours that the file imports, by their whole names."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found & NAMES.keys()


def room(name: str) -> str:
    """Of `storage.migration.jobs` it is `migration`; a floor's own modules have none."""
    return name.split(".")[1] if name.count(".") > 1 else ""


def tops(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_arrows_point_inwards(path: Path) -> None:
    package = path.parts[0].removesuffix(".py")
    assert tops(path) & MAY_IMPORT.keys() <= MAY_IMPORT[package] | {package}


@pytest.mark.parametrize("name", NAMES)
def test_migration_and_notification_know_nothing_of_each_other(name: str) -> None:
    beyond = WALLS.get(room(name), set())
    modules = {each for each in imported(NAMES[name]) if NAMES[each].name != "__init__.py"}
    found = {each for each in modules if room(each) in beyond}
    assert found <= (DEPENDS_ON_INTEGRATION if room(name) == "integration" else set())


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_what_rooms_share_knows_none_of_them(path: Path) -> None:
    if len(path.parts) == 2 and path.as_posix() not in PUT_TOGETHER:
        floor = path.parts[0]
        own = {other for other in imported(path) if other.startswith(f"{floor}.")}
        assert not ROOMS & {room(other) for other in own}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_only_the_list_of_types_knows_a_vendor(path: Path) -> None:
    own = {path.parts[1]} if path.parts[0] == "integrations" else set()
    known = {name.split(".")[1] for name in imported(path) if name.startswith("integrations.")}
    if path.as_posix() != "integrations/__init__.py":
        assert known & VENDORS <= own


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nothing_asks_a_type_for_its_name(path: Path) -> None:
    compared = {
        each.value
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Compare | ast.MatchValue)
        for each in ast.walk(node)
        if isinstance(each, ast.Constant)
    }
    if path.parts[0] not in NAMES_VENDORS:
        assert not compared & CHANNELS.keys()


def circle_in(arrows: dict[str, set[str]]) -> list[str]:
    """The nodes of one circle, if there is any."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return [*error.args[1]]
    return []


def test_a_circle_is_found() -> None:
    assert set(circle_in({"a": {"b"}, "b": {"a"}, "c": {"a"}})) == {"a", "b"}


def test_imports_go_in_no_circle() -> None:
    assert circle_in({name: imported(path) - {name} for name, path in NAMES.items()}) == []


def test_rooms_go_in_no_circle() -> None:
    between: dict[str, set[str]] = {}
    for name, path in NAMES.items():
        if room(name) in ROOMS | {"values"}:
            here = name.rpartition(".")[0]
            there = {other.rpartition(".")[0] for other in imported(path) if room(other)}
            between.setdefault(here, set()).update(there - {here})
    assert circle_in(between) == []


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES}), ids=str)
def test_folders_stay_small(folder: Path) -> None:
    files = [path for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= FOLDER_FILES or folder.parts[:1] == ("benchmarks",) or folder == Path()


def test_every_package_has_its_row_in_the_table() -> None:
    found = {path.parent.name for path in ROOT.glob("*/*.py") if path.parent.name != "tests"}
    found |= {path.stem for path in ROOT.glob("*.py")}
    assert found <= MAY_IMPORT.keys()


@pytest.mark.parametrize("path", WORKFLOW_MODULES, ids=str)
def test_workflows_know_rules_and_temporal_only(path: Path) -> None:
    assert tops(path) <= IN_WORKFLOWS
    assert not {"os", "random", "socket", "subprocess", "threading", "time"} & tops(path)


@pytest.mark.parametrize("path", WORKFLOW_MODULES, ids=str)
def test_workflows_share_what_they_import(path: Path) -> None:
    """Of `from package import module` the sandbox loads a copy for every single workflow, even
    inside `imports_passed_through`; `import package.module as module` is passed through."""
    if "imports_passed_through" in (ROOT / path).read_text():
        assert not {"workflows", "domain"} & set(imports(path))


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("api.app", {"polars", "lxml", "aioboto3", "activities"}),
        ("workflows.migration.start", {"polars", "lxml", "aioboto3", "asyncpg", "sqlalchemy"}),
    ],
)
def test_what_is_light_stays_light(module: str, heavy: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not heavy & {name.partition(".")[0] for name in run.stdout.split()}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_only_settings_reads_the_environment(path: Path) -> None:
    reads = {"environ", "getenv", "environb", "getenvb"}
    found = {
        node.attr if isinstance(node, ast.Attribute) else node.name
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute | ast.alias)
    }
    if path.as_posix() not in READS_ENVIRONMENT and path.parts[0] != "benchmarks":
        assert not found & reads


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(parsed(path))


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_files_and_functions_stay_small(path: Path) -> None:
    lines = len((ROOT / path).read_text().splitlines())
    assert lines <= FILE_LINES
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{node.name} has {length} lines"


# An alias of free-form JSON, or the arguments of a library that has no types.
UNTYPED = {
    "domain/json_document.py",
    "commands/client.py",
    "receivers/receiver.py",
    "storage/objects/s3.py",
    "sources/readers/csv/strict.py",
    "sources/readers/xml/stream.py",
}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_rows_have_types(path: Path) -> None:
    """A row of a table has a TypedDict, free-form JSON is called Json."""
    found = (ROOT / path).read_text().count("dict[str, Any]")
    if path.parts[0] != "benchmarks":
        assert found == (path.as_posix() in UNTYPED)


def test_the_usual_function_is_small() -> None:
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    files = sorted(len((ROOT / path).read_text().splitlines()) for path in MODULES)
    median, ninth = lengths[len(lengths) // 2], lengths[len(lengths) * 9 // 10]
    print(f"{len(MODULES)} files, median {files[len(files) // 2]} lines, longest {files[-1]};")
    print(f"{len(lengths)} functions, median {median}, p90 {ninth}, longest {lengths[-1]} lines")
    assert (median <= 10, ninth <= 30) == (True, True)
