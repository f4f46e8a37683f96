"""The records of a file that cannot be imported, kept for the job's report."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.failures import LISTED_ERRORS, Rejected
from storage.migration.tables import import_errors

_ROWS = 1000  # per statement; PostgreSQL takes 65,535 parameters


async def replace_errors(
    connection: AsyncConnection, job_id: UUID, revision: int, rejected: Sequence[Rejected]
) -> None:
    """Replace the findings of the job's previous validation by those of a new one."""
    await connection.execute(delete(import_errors).where(import_errors.c.job_id == job_id))
    await _insert(connection, job_id, revision, rejected)


async def add_duplicates(
    connection: AsyncConnection, job_id: UUID, revision: int, rejected: Sequence[Rejected]
) -> None:
    """Add records that turned out to be duplicates after the validation, as long as the job's list
    has fewer than LISTED_ERRORS records."""
    of_job = import_errors.c.job_id == job_id
    listed = {*await connection.scalars(select(import_errors.c.source_row).where(of_job))}
    new = [each for each in rejected if each.row not in listed]
    await _insert(connection, job_id, revision, new[: max(LISTED_ERRORS - len(listed), 0)])


async def _insert(
    connection: AsyncConnection, job_id: UUID, revision: int, rejected: Sequence[Rejected]
) -> None:
    for start in range(0, len(rejected), _ROWS):
        await connection.execute(
            insert(import_errors),
            [
                {
                    "job_id": job_id,
                    "revision": revision,
                    "source_row": each.row,
                    "source_id": each.source_id,
                    "field": each.field,
                    "code": each.code,
                    "detail": each.detail,
                    "value": each.value,
                }
                for each in rejected[start : start + _ROWS]
            ],
        )
