"""Imports a job's chunks, batch by batch: storage/migration/importing/ledger.py writes each in a
transaction."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

import polars as pl
from temporalio import activity

from activities.connections import Connections
from activities.migration.beginning import begin
from activities.migration.chunks import prepared_chunks
from activities.migration.job import LoadedJob, load_importing, locked_job
from activities.migration.runs import run_of
from domain.failures import BadInput, Unproven
from domain.mapping.columns import map_columns
from domain.mapping.plan import Plan
from domain.migration.accounting import Account, out_of_order, unaccounted
from domain.migration.job import Options, Status
from sources.readers.chunk import Chunk
from storage.migration import jobs as migration
from storage.migration.importing.batch_rows import Batch
from storage.migration.importing.copying import in_schema
from storage.migration.importing.known_records import has_records
from storage.migration.importing.ledger import Written, proven_account, write_batch
from storage.migration.importing.run import Run
from storage.postgres.database import raw
from workflows.migration import messages as m
from workflows.migration import steps


class ImportActivities:
    def __init__(self, connections: Connections) -> None:
        self._connections, self._database = connections, connections.database

    @activity.defn(name=steps.begin_import.name)
    async def begin_import(self, input: m.BeginInput) -> m.Begun:
        """Open a run of the import. Its new epoch keeps activities of earlier runs from writing."""
        async with locked_job(self._database, input.job) as (connection, job):
            on_record = await begin(connection, job, input)
            batches = job.row["chunks"] * _batches_per_chunk(job, on_record.options)
            epoch = await migration.next_epoch(connection, job.id, batches=batches)
        return m.Begun(
            epoch=epoch,
            batches=batches,
            revision=on_record.revision,
            options=on_record.options,
            paused=on_record.status is Status.PAUSED,
        )

    @activity.defn(name=steps.import_segment.name)
    async def import_segment(self, input: m.SegmentInput) -> m.Segment:
        """Import every batch before `stop` that the database does not have. A pause or a shutdown
        of the worker ends that early.

        Batches of earlier segments may be missing, too, after a fail-over to a standby that lagged
        behind, or a restored backup. The last segment checks the account of the whole job.
        """
        job = await load_importing(self._database, input.job)
        plan, paused = await self._plan(job, input.revision), False
        run = await self._run(job, plan, input)
        account = await proven_account(self._database, run)
        while not paused and (missing := account.missing(input.stop)):
            if activity.is_worker_shutdown():  # the next worker goes on from here
                break
            if _repeats(job, input.options):
                _check_order(account, missing[0])
            paused = await self._import(job, input, (plan, run), missing)
            account = await proven_account(self._database, run)
        next = min(account.missing(input.stop), default=input.stop)
        if next == account.batches:
            _check_sums(account)
        return m.Segment(next=next, counts=account.counts, paused=paused)

    async def _plan(self, job: LoadedJob, revision: int) -> Plan:
        async with self._database.tenant(job.tenant_id) as connection:
            mapping = await migration.mapping_of(connection, job.id, revision)
        if mapping is None:
            raise BadInput("mapping_missing", f"the job has no mapping {revision}")
        return job.plan(mapping)

    async def _run(self, job: LoadedJob, plan: Plan, input: m.SegmentInput) -> Run:
        """The run, which says how records are matched with those that the tenant has now. These may
        be more than when the file was validated."""
        run, checked = run_of(job, plan, input.options), job.row["validation"] or {}
        match = input.options.match(checked.get("numbered", False))
        if match == "without_id":
            async with self._database.tenant(job.tenant_id) as connection:
                if not await has_records(await raw(connection), run):
                    match = "never"
        repeats = bool(checked.get("duplicates"))
        return replace(
            run, epoch=input.epoch, match=match, revision=input.revision, repeats=repeats
        )

    async def _import(
        self, job: LoadedJob, input: m.SegmentInput, how: tuple[Plan, Run], wanted: list[int]
    ) -> bool:
        """Import the wanted batches until something stops that; whether it was a pause."""
        (plan, run), expected = how, _expected(job, input.options)
        cut = _Cut(
            size=input.options.batch_size,
            count=_batches_per_chunk(job, input.options),
            wanted=frozenset(wanted),
            is_new=expected is Written.NEW,
        )

        def prepare(number: int, chunk: Chunk) -> list[Batch]:
            return [*cut.batches(run, plan, number, chunk)]

        numbers = sorted({number // cut.count for number in wanted})
        prepared = prepared_chunks(self._connections, job, numbers, prepare)
        async with aclosing(prepared):
            async for batches in prepared:
                while batches:  # a batch that is in is dropped: the next one may need its memory
                    if activity.is_worker_shutdown():
                        return False
                    written = await write_batch(self._database, run, batches.pop(0), expected)
                    if written in (Written.PAUSED, Written.GAP):
                        return written is Written.PAUSED
                    if written is Written.KNOWN:  # after one known record, more are likely
                        expected = written
        return False


def _batches_per_chunk(job: LoadedJob, options: Options) -> int:
    """How many batches each chunk is cut into: as many as the longest one needs, so that a batch's
    number tells its chunk. The last batches of a shorter chunk are empty."""
    longest = max((records for records, _ in job.chunk_sizes), default=1)
    return max(1, -(-longest // options.batch_size))


def _check_order(account: Account, missing: int) -> None:
    """Raises Unproven if the database has a batch after the missing one."""
    if max(account.held, default=-1) > missing:
        raise Unproven(out_of_order(missing))


def _check_sums(account: Account) -> None:
    """Raises Unproven if all batches are in and do not add up to the file."""
    problem = unaccounted(account)
    if problem is not None:
        raise Unproven(problem)


def _repeats(job: LoadedJob, options: Options) -> bool:
    """Whether the order of batches matters: several records may be of one ticket, or a record may
    change the number by which a later one finds its ticket."""
    checked = job.row["validation"] or {}
    return bool(checked.get("duplicates")) or options.match_by == "number"


def _expected(job: LoadedJob, options: Options) -> Written:
    return Written.KNOWN if _repeats(job, options) or options.update_existing else Written.NEW


@dataclass(frozen=True, slots=True)
class _Cut:
    """How chunks are cut into batches: each into `count` of up to `size` records. Only those whose
    numbers are `wanted` are made; `is_new` as in `Batch.of`."""

    size: int
    count: int
    wanted: frozenset[int]
    is_new: bool

    def batches(self, run: Run, plan: Plan, number: int, chunk: Chunk) -> Iterator[Batch]:
        """The batches of a chunk, cut by record number: every record belongs to exactly one."""
        mapped = map_columns(chunk.frame, plan)
        failed = sorted({each.row for each in (*chunk.rejected, *mapped.rejected)})
        rows = in_schema(mapped.rows, run.constants)
        told = rows
        if mapped.told is not mapped.rows and not run.replacing.empty_overwrites:
            told = in_schema(mapped.told, run.constants)
        for place in range(self.count):
            first = chunk.first + place * self.size
            start, stop = rows["_row"].search_sorted(pl.Series([first, first + self.size]))
            lost = bisect_left(failed, first + self.size) - bisect_left(failed, first)
            batch = number * self.count + place
            if batch in self.wanted:
                some, said = rows[start:stop], told[start:stop]
                yield Batch.of(batch, some, said, lost, is_new=self.is_new)
