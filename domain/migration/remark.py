"""Remarks: what is odd about records that can be imported, told before the import begins."""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

LISTED_ROWS = 20


class Remark(BaseModel):
    """One remark about `count` records; `rows` are the numbers of the first of them."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    code: str
    detail: str
    count: int
    rows: tuple[int, ...]
    field: str | None = None

    def __add__(self, other: Self) -> Self:
        rows = (self.rows + other.rows)[:LISTED_ROWS]
        return self.model_copy(update={"count": self.count + other.count, "rows": rows})


def gathered(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """The remarks of all batches, in the order of the batches; equal ones become one."""
    found: dict[tuple[str, str | None, str], Remark] = {}
    for each in remarks:
        key = each.code, each.field, each.detail
        found[key] = found[key] + each if key in found else each
    return tuple(found.values())


def remark_on(rows: Iterable[int], code: str, detail: str, field: str) -> Remark:
    """The remark about the records with these row numbers."""
    rows = tuple(rows)
    first = rows[:LISTED_ROWS]
    return Remark(code=code, detail=detail, count=len(rows), rows=first, field=field)
