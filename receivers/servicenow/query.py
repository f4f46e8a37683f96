"""Encoded queries: conditions joined by `^` and `^OR`, whole queries by `^NQ`, and `^ORDERBY`.

After docs.servicenow.com, "Encoded query strings". What is not understood, such as a condition on
a column that does not exist or may not be read, is left out without a word, so that a query may
find every record.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

Values = Mapping[str, str]
Test = Callable[[Values], bool]

_CONDITION = re.compile(
    r"([a-z_][a-z0-9_]*)"
    r"(ISNOTEMPTY|ISEMPTY|NOT IN|NOT LIKE|STARTSWITH|ENDSWITH|LIKE|IN|>=|<=|!=|>|<|=)(.*)",
    re.DOTALL,
)
_SPLIT = re.compile(r"(?<!\^)\^(?!\^)")  # a doubled ^ is one that belongs to a value
UPDATED = "sys_updated_on"
_WITHOUT_CASE = (UPDATED, "sys_id")  # every record has them

_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda held, said: held == said,
    "!=": lambda held, said: held != said,
    ">": lambda held, said: held > said,
    ">=": lambda held, said: held >= said,
    "<": lambda held, said: held < said,
    "<=": lambda held, said: held <= said,
    "IN": lambda held, said: held in said.split(","),
    "NOT IN": lambda held, said: held not in said.split(","),
    "LIKE": lambda held, said: said in held,
    "NOT LIKE": lambda held, said: said not in held,
    "STARTSWITH": lambda held, said: held.startswith(said),
    "ENDSWITH": lambda held, said: held.endswith(said),
    "ISEMPTY": lambda held, said: not held,
    "ISNOTEMPTY": lambda held, said: bool(held),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A column compared with a value, without regard to case, as the database does."""

    column: str
    operator: str
    value: str

    def test(self) -> Test:
        compare, column, said = _OPERATORS[self.operator], self.column, self.value
        if column in _WITHOUT_CASE:
            return lambda values: compare(values[column], said)
        folded = said.casefold()
        return lambda values: compare(values.get(column, "").casefold(), folded)


@dataclass
class Query:
    """Every record passes that passes all groups of one branch, each by one of its conditions."""

    branches: list[list[list[Condition]]] = field(default_factory=lambda: [[]])
    order: list[tuple[str, bool]] = field(default_factory=list)  # column, and whether descending
    left_out: int = 0

    def passes(self) -> Test:
        branches = [
            _all([_any([each.test() for each in group]) for group in branch])
            for branch in self.branches
        ]
        return _any(branches)

    def bounds(self) -> tuple[str, str]:
        """Between which values of sys_updated_on all that pass lie; empty where there is none."""
        lows = [_bound(branch, (">", ">=", "="), max) for branch in self.branches]
        highs = [_bound(branch, ("<", "<=", "="), min) for branch in self.branches]
        return ("" if "" in lows else min(lows)), ("" if "" in highs else max(highs))

    @property
    def is_span(self) -> bool:
        """Whether all that lies between the bounds passes, so that it can be counted at once."""
        if [] in self.branches:
            return True
        groups = self.branches[0] if len(self.branches) == 1 else [[]]
        return all(
            len(group) == 1 and group[0].column == UPDATED and group[0].operator in (">=", "<=")
            for group in groups
        )


def _any(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda values: any(test(values) for test in tests)


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda values: all(test(values) for test in tests)


def _bound(
    branch: Iterable[list[Condition]], operators: Collection[str], best: Callable[..., str]
) -> str:
    values = [
        group[0].value
        for group in branch
        if len(group) == 1 and group[0].column == UPDATED and group[0].operator in operators
    ]
    return best(values) if values else ""


def parse(text: str, columns: Collection[str]) -> Query:
    """The query, as far as it names columns that there are."""
    query = Query()
    for part in filter(None, _SPLIT.split(text)):
        _add(query, part.replace("^^", "^"), columns)
    return query


def _add(query: Query, part: str, columns: Collection[str]) -> None:
    ordered = re.fullmatch(r"ORDERBY(DESC)?([a-z_][a-z0-9_]*)", part)
    if ordered:
        if ordered[2] in columns:
            query.order.append((ordered[2], bool(ordered[1])))
        return
    if part == "EQ":
        return
    if part.startswith("NQ"):
        query.branches.append([])
        part = part.removeprefix("NQ")
    is_or = part.startswith("OR")
    condition = _CONDITION.fullmatch(part.removeprefix("OR") if is_or else part)
    if condition is None or condition[1] not in columns:
        query.left_out += 1
        return
    branch, found = query.branches[-1], Condition(condition[1], condition[2], condition[3])
    if is_or and branch:
        branch[-1].append(found)
    else:
        branch.append([found])
