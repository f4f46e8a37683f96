"""The faults of an upload or a job (`Problem`) and of a record (`Rejected`), as they are shown."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from domain.problem_codes import declaration_of


class Problem(BaseModel):
    """The stable part of an error: a `code` for programs, a `detail` for people, and the place.

    `row` counts records from 1 (a CSV header is not a record), `line` counts physical lines
    from 1, `offset` counts bytes from 0. The HTTP API adds the RFC 9457 members.
    """

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    code: str
    detail: str
    limit: int | None = None
    actual: int | None = None
    expected: int | None = None
    line: int | None = None
    row: int | None = None
    column: str | int | None = None
    offset: int | None = None


class BadInput(Exception):
    """The file as a whole cannot be read; nothing of it may be imported. Raises LookupError for a
    code that is not declared."""

    def __init__(self, code: str, detail: str, **place: Any) -> None:
        declaration_of(code)
        super().__init__(f"{code}: {detail}")
        self.problem = Problem(code=code, detail=detail, **place)


class Unproven(Exception):
    """A job's state contradicts what is stored of the job, so the job must not go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem


class Rejected(BaseModel):
    """One record, or one of its fields, that cannot be imported; the others can.

    `row` is the record's number in the file, from 1. `field` is the source field if the fault is
    found in reading, and the target field if it is found in mapping. `source_id` is the record's
    identity in its source, if it could be read.
    """

    model_config = ConfigDict(frozen=True)

    row: int
    code: str
    detail: str
    field: str | None = None
    value: str | None = None
    source_id: str | None = None


LISTED_ERRORS = 10_000  # per job; a last entry then says that there are more


def duplicate(row: int, source_id: str | None = None) -> Rejected:
    """The fault of a record that is of the same ticket as another one, for users who have set
    skipDuplicates to false."""
    detail = (
        "an earlier record of the file, or a record of the tenant, is the same ticket (same id, or"
        " same number, by matchBy); correct the file, or leave skipDuplicates at true"
    )
    return Rejected(row=row, code="duplicate_record", detail=detail, source_id=source_id)


class Died(Exception):
    """A process that worked for one job alone was killed, or reached its memory limit.

    `detail` completes a sentence that begins with "the process", such as "was killed". The process
    died while it worked on `chunk`, at the record `row` or after it, as far as that is known.
    """

    def __init__(self, detail: str, chunk: int | None = None, row: int | None = None) -> None:
        super().__init__(detail)
        self.chunk, self.row = chunk, row
