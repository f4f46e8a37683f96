"""Every problem code that is raised is declared, and docs/errors.md lists every declared one."""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from domain.failures import BadInput
from domain.problem_codes import PROBLEM_CODES, declaration_of, status_of_failure
from domain.problem_codes.code import ProblemCode

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text()
PACKAGES = (
    *("activities", "api", "domain", "egress", "integrations", "sources", "storage", "workflows"),
)
DECLARATIONS = ROOT / "domain" / "problem_codes"
MODULES = [
    path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.parent != DECLARATIONS
]
DECLARED = {each.code: each for group in PROBLEM_CODES.values() for each in group}

# Which argument of a call is a code: its place, or its keyword.
PLACES = {
    **dict.fromkeys(("ApiError", "BadInput", "Refused", "_problem", "refuse", "_refusal"), 0),
    **dict.fromkeys(("error", "_refuse", "_Rule", "_defect", "Defect"), 0),
    **dict.fromkeys(("fault_where", "remark_on", "_on_numbers"), 1),
    "_worded": 3,
}
KEYWORDS = {
    **dict.fromkeys(("Problem", "Rejected", "MappingProblem", "Remark"), "code"),
    "ApplicationError": "type",
    "chunks": "oversize",
}
TABLES = {"_DETAILS", "_WORDS"}  # their keys are codes
IN_SQL = {"KEPT", "REFERENCED"}  # constants that a statement writes
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
PAIRED = re.compile(r"[a-z]+(_[a-z]+)+")  # where a single word may be anything else

# FastAPI answers these itself; the codes are HTTP's own names of the statuses.
OF_HTTP = {"bad_request", "method_not_allowed"}


def raised(path: Path) -> Iterator[str]:
    """The codes that the module writes out where a problem is made."""
    tree = ast.parse(path.read_text())
    constants = dict(assigned(tree))
    yield from (constants[name] for name in IN_SQL & constants.keys())
    for node in ast.walk(tree):
        for value in code_positions(node):
            text = constants.get(value.id) if isinstance(value, ast.Name) else text_of(value)
            if text is not None and CODE.fullmatch(text):
                yield text


def assigned(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The module's constants that are texts."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            [target] = node.targets
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and (text := text_of(value)) is not None:
                    yield name.id, text


def code_positions(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions at the places where a code is expected."""
    match node:
        case ast.Call():
            yield from of_call(node)
        case ast.Dict(keys=keys, values=values):
            yield from (
                value
                for key, value in zip(keys, values, strict=True)
                if key is not None and text_of(key) == "code" and is_paired(value)
            )
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys)) if name in TABLES:
            yield from (key for key in keys if key is not None)
        case ast.Return(value=ast.Tuple(elts=[code, detail])) if is_sentence(detail):
            yield from (each for each in (code,) if is_paired(each))
        case ast.Assign(value=ast.Tuple(elts=[code, detail])) if is_sentence(detail):
            yield from (each for each in (code,) if is_paired(each))


def of_call(call: ast.Call) -> Iterator[ast.expr]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name in PLACES:
        yield from call.args[PLACES[name] :][:1]
    yield from (each.value for each in call.keywords if each.arg == KEYWORDS.get(name, ""))


def is_paired(value: ast.expr) -> bool:
    return PAIRED.fullmatch(text_of(value) or "") is not None


def is_sentence(value: ast.expr) -> bool:
    return isinstance(value, ast.JoinedStr) or " " in (text_of(value) or "")


def text_of(value: ast.expr) -> str | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    return None


def test_every_code_that_is_raised_is_declared_and_no_other() -> None:
    found = {code for path in MODULES for code in raised(path)}
    assert found | OF_HTTP == DECLARED.keys()


def test_no_code_is_declared_twice() -> None:
    assert len(DECLARED) == sum(map(len, PROBLEM_CODES.values()))


def test_codes_of_http_are_its_names() -> None:
    for code in OF_HTTP:
        status = DECLARED[code].status_of_answer()
        assert HTTPStatus(status).phrase.lower().replace(" ", "_") == code


def test_a_code_that_is_not_declared_cannot_be_raised() -> None:
    with pytest.raises(LookupError, match="nobody_knows"):
        BadInput("nobody_knows", "a code that nobody has declared")


def test_a_status_that_is_not_declared_cannot_be_answered() -> None:
    with pytest.raises(ValueError, match="name_taken"):
        declaration_of("name_taken").status_of_answer(422)
    with pytest.raises(ValueError, match="expired"):
        declaration_of("expired").status_of_answer()


def test_why_a_job_failed_is_answered_whatever_its_code() -> None:
    codes = ("quota_exceeded", "expired", "written by an operator")
    assert [status_of_failure(code) for code in codes] == [403, 422, 422]


@pytest.mark.parametrize("title", PROBLEM_CODES)
def test_the_page_tells_what_is_declared(title: str) -> None:
    assert tables_of_page()[title] == table_of(PROBLEM_CODES[title])


def test_the_page_tells_of_no_other_code() -> None:
    assert list(tables_of_page()) == list(PROBLEM_CODES)


@pytest.mark.parametrize("code", [each for each in DECLARED.values() if each.other_status])
def test_it_is_said_when_a_code_has_its_other_status(code: ProblemCode) -> None:
    assert str(code.other_status) in code.meaning


def tables_of_page() -> dict[str, list[str]]:
    """The lines of each table, by the heading that stands over it."""
    tables: dict[str, list[str]] = {}
    title = ""
    for line in PAGE.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
        elif line.startswith("|"):
            tables.setdefault(title, []).append(line)
    return tables


def table_of(codes: tuple[ProblemCode, ...]) -> list[str]:
    """The lines that docs/errors.md has for these codes; a column of statuses if any has one."""
    names = ["code", "status", "what it means", "what to do"]
    rows = [names, ["---"] * len(names), *map(cells, codes)]
    if not any(each.status for each in codes):
        rows = [[code, *told] for code, _, *told in rows]
    return [f"| {' | '.join(row)} |" for row in rows]


def cells(code: ProblemCode) -> list[str]:
    statuses = [str(each) for each in (code.status, code.other_status) if each]
    return [f"`{code.code}`", " or ".join(statuses), code.meaning, code.action]
