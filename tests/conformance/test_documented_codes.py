"""Every code by which an import is refused stands in docs/migration.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = (ROOT / "docs" / "migration.md").read_text()
PACKAGES = ("activities", "api", "domain", "sources", "workflows")
FAULTS = {"BadInput", "MappingProblem", "Problem", "Rejected"}


def stated(path: Path) -> Iterator[str]:
    """The codes that are written out where a fault is made."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in FAULTS:
            named = [each.value for each in node.keywords if each.arg == "code"]
            for value in (*named, *node.args[:1]):
                if isinstance(value, ast.Constant):
                    yield str(value.value)


CODES = sorted(
    {code for name in PACKAGES for path in ROOT.glob(f"{name}/*.py") for code in stated(path)}
)


@pytest.mark.parametrize("code", CODES)
def test_is_documented(code: str) -> None:
    assert f"`{code}`" in DOCUMENTED


def test_they_are_found() -> None:
    assert {"resource_limit", "not_validated", "csv_unclosed_quote", "unknown_status"} <= {*CODES}
