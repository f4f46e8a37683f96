"""A job's account: what its file holds and what its ledger has, read in one look."""

from uuid import UUID

from sqlalchemy import ARRAY, Integer, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounting import Account
from domain.migration import Counts
from storage.tables import import_chunks, migration_jobs

_OUTCOMES = ("inserted", "updated", "skipped", "failed")


async def account_of(connection: AsyncConnection, job_id: UUID) -> Account:
    """As it stands; whoever decides by it holds the job's lock (`migration.lock`)."""
    chunk, job = import_chunks.c, migration_jobs.c
    stays = chunk.undone_at.is_(None)
    sums = [func.coalesce(func.sum(chunk[name]).filter(stays), 0).label(name) for name in _OUTCOMES]
    is_in = (chunk.job_id == job.id) & chunk.committed_at.is_not(None)
    held = func.coalesce(func.array_agg(chunk.chunk).filter(is_in), cast([], ARRAY(Integer)))
    query = (
        select(job.total_records, job.batches, held.label("held"), *sums)
        .join_from(migration_jobs, import_chunks, is_in, isouter=True)
        .where(job.id == job_id)
        .group_by(job.total_records, job.batches)
    )
    row = (await connection.execute(query)).one()
    return Account(
        records=row.total_records,
        batches=row.batches,
        held=frozenset(row.held),
        counts=Counts(**{name: row._mapping[name] for name in _OUTCOMES}),
    )
