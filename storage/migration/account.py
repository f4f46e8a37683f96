"""Sums of the ledger (import_chunks): a job's account, read in one statement with the number of
records of its file; what an undone import had written; and the progress of several jobs."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Integer, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.migration.accounting import Account
from domain.migration.job import OUTCOMES, Counts
from storage.migration.tables import import_before_images, import_chunks, migration_jobs


async def account_of(connection: AsyncConnection, job_id: UUID) -> Account:
    """The job's account now. A caller that decides by it holds the job's lock (`jobs.lock`)."""
    chunk, job = import_chunks.c, migration_jobs.c
    stays = chunk.undone_at.is_(None)
    sums = [func.coalesce(func.sum(chunk[name]).filter(stays), 0).label(name) for name in OUTCOMES]
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
        counts=Counts(**{name: row._mapping[name] for name in OUTCOMES}),
    )


async def written_by(connection: AsyncConnection, job_id: UUID) -> int:
    """How many records a job that is undone had inserted or updated; a record counts again for each
    batch that updated it."""
    chunk, image = import_chunks.c, import_before_images.c
    inserted = select(func.coalesce(func.sum(chunk.inserted), 0)).where(
        chunk.job_id == job_id, chunk.undone_at.is_not(None)
    )
    replaced = select(func.count()).where(image.job_id == job_id)
    return int(await connection.scalar(inserted) or 0) + int(await connection.scalar(replaced) or 0)


@dataclass(frozen=True, slots=True)
class Progress:
    """The counts of a job's batches, and the seconds from its start to the last of them."""

    counts: Counts
    seconds: float


async def progress_of(connection: AsyncConnection, job_ids: list[UUID]) -> dict[UUID, Progress]:
    """The progress of each job: the sum of its committed batches that were not undone. Jobs without
    any are left out."""
    chunk = import_chunks.c
    outcomes = [func.sum(chunk[name]) for name in OUTCOMES]
    span = func.max(chunk.committed_at) - func.min(migration_jobs.c.started_at)
    rows = await connection.execute(
        select(chunk.job_id, func.extract("epoch", span), *outcomes)
        .join_from(import_chunks, migration_jobs, migration_jobs.c.id == chunk.job_id)
        .where(
            chunk.job_id.in_(job_ids), chunk.committed_at.is_not(None), chunk.undone_at.is_(None)
        )
        .group_by(chunk.job_id)
    )
    return {
        job_id: Progress(Counts(**dict(zip(OUTCOMES, sums, strict=True))), float(seconds or 0))
        for job_id, seconds, *sums in rows
    }
