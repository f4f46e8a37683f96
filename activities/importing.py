"""Imports a job's chunks, batch by batch, each batch committed together with its ledger row."""

from collections.abc import Iterator
from contextlib import aclosing
from typing import Literal

import polars as pl
from temporalio import activity

from activities.chunks import prepared_chunks
from activities.heartbeat import heartbeating
from activities.job import Connections, LoadedJob, load_job
from domain.columns import map_columns
from domain.failures import BadInput
from domain.migration import Counts, Options, Phase, Status
from domain.plan import Plan
from sources.batch import Batch
from storage import migration
from storage.copying import in_schema, to_csv
from storage.ledger import Chunk, Run, Written, committed, flush, write_chunk
from workflows import messages as m
from workflows import steps


class Importing:
    def __init__(self, connections: Connections) -> None:
        self._connections, self._database = connections, connections.database

    @activity.defn(name=steps.begin_import.name)
    async def begin_import(self, input: m.BeginInput) -> m.Begun:
        """Open a run: its epoch fences off whatever still works on the job for an earlier one."""
        job = await load_job(self._database, input.job)
        async with self._database.tenant(job.tenant_id) as connection:
            await migration.advance(connection, job.id, Status.PROCESSING, Phase.IMPORTING)
            epoch = await migration.next_epoch(connection, job.id)
        return m.Begun(
            epoch=epoch, batches=job.row["chunks"] * _batches_per_chunk(job, input.options)
        )

    @activity.defn(name=steps.import_segment.name)
    async def import_segment(self, input: m.SegmentInput) -> m.Segment:
        """Import batches first … stop-1 that are not in yet, until done or paused."""
        job = await load_job(self._database, input.job)
        async with self._database.tenant(job.tenant_id) as connection:
            mapping = await migration.mapping_of(connection, job.id, input.revision)
            done = await committed(connection, job.id)
        if mapping is None:
            raise BadInput("mapping_missing", f"the job has no mapping {input.revision}")
        wanted = [number for number in range(input.first, input.stop) if number not in done]
        async with heartbeating():
            next = await self._import(job, input, job.plan(mapping), wanted)
            await flush(self._database, _run(job, input))
        return m.Segment(next=next, counts=await self._counts(job))

    async def _import(
        self, job: LoadedJob, input: m.SegmentInput, plan: Plan, wanted: list[int]
    ) -> int:
        """The first batch that is not in: `stop`, or where a pause or a shutdown was met."""
        run, per_chunk = _run(job, input), _batches_per_chunk(job, input.options)
        needed = set(wanted)

        def prepare(number: int, batch: Batch) -> list[Chunk]:
            chunks = _chunks(
                run, plan, number * per_chunk, _slices(batch, input.options.batch_size, per_chunk)
            )
            return [chunk for chunk in chunks if chunk.number in needed]

        numbers = sorted({number // per_chunk for number in wanted})
        expected = _expected(job, input.options)
        prepared = prepared_chunks(self._connections, job, numbers, prepare)
        async with aclosing(prepared):
            async for chunks in prepared:
                while chunks:  # none is kept once it is in: the next one may need its memory
                    number = chunks[0].number
                    if activity.is_worker_shutdown():  # the next worker goes on from here
                        return number
                    written = await write_chunk(self._database, run, chunks.pop(0), expected)
                    if written is Written.PAUSED:
                        return number
                    if written is Written.KNOWN:  # where one record is known, more will be
                        expected = written
        return input.stop

    async def _counts(self, job: LoadedJob) -> Counts:
        async with self._database.tenant(job.tenant_id) as connection:
            progress = await migration.progress(connection, [job.id])
        return progress[job.id].counts if job.id in progress else Counts()


def _batches_per_chunk(job: LoadedJob, options: Options) -> int:
    """As many as the longest chunk needs, so that a batch's number tells its chunk; the last ones
    of a shorter chunk are empty."""
    longest = max((records for records, _ in job.chunk_sizes), default=1)
    return max(1, -(-longest // options.batch_size))


def _expected(job: LoadedJob, options: Options) -> Written:
    repeats = bool(job.row["validation"] and job.row["validation"]["duplicates"])
    return Written.KNOWN if repeats or options.update_existing else Written.NEW


def _run(job: LoadedJob, input: m.SegmentInput) -> Run:
    return Run(
        tenant_id=job.tenant_id,
        job_id=job.id,
        epoch=input.epoch,
        table=job.entity.table,
        source_system=job.row["source_system"],
        source_instance=job.row["source_instance"],
        duplicates=input.options.duplicates,
    )


def _slices(batch: Batch, size: int, count: int) -> Iterator[Batch]:
    """The batch cut by record number, so that every record belongs to exactly one slice."""
    if count == 1:
        yield batch
        return
    for start in range(batch.first, batch.first + count * size, size):
        within = pl.col("_row").is_between(start, start + size - 1)
        rejected = tuple(each for each in batch.rejected if start <= each.row < start + size)
        yield Batch(batch.frame.filter(within), rejected)


def _chunks(run: Run, plan: Plan, first: int, slices: Iterator[Batch]) -> Iterator[Chunk]:
    constants = {
        "source_system": run.source_system,
        "source_instance": run.source_instance,
        "migration_job_id": str(run.job_id),
    }
    keep: Literal["first", "last"] = "last" if run.duplicates == "update" else "first"
    for number, batch in enumerate(slices, first):
        mapped = map_columns(batch.frame, plan)
        failed = {each.row for each in (*batch.rejected, *mapped.rejected)}
        rows = in_schema(mapped.rows, constants)
        fresh = rows
        if rows["source_id"].n_unique() < rows.height:
            fresh = rows.unique("source_id", keep=keep, maintain_order=True)
        yield Chunk(number, rows, fresh, to_csv(fresh), len(failed))
