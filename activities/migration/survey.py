"""Surveys a file under a mapping: what an import would do with every record."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import polars as pl

from activities.budget import of_tally
from activities.connections import Connections
from activities.migration.chunks import in_thread, prepared_chunks
from activities.migration.job import LoadedJob
from activities.migration.runs import run_of
from domain.failures import LISTED_ERRORS, Rejected, duplicate
from domain.mapping.columns import map_columns
from domain.mapping.date_evidence import date_evidence
from domain.mapping.entity import Entity
from domain.mapping.mapping import ImportMapping
from domain.mapping.plan import Plan
from domain.migration.contradictions import contradictions
from domain.migration.job import Counts, Options
from domain.migration.matching import matched
from domain.migration.oddities import oddities
from domain.migration.preview import Elsewhere, SampleRecord, Survey
from domain.migration.remark import Remark, gathered, remark_on
from domain.migration.samples import sample_records
from domain.migration.tally import RecordTally, Tally, counted
from domain.values.date_rules import DateEvidence
from sources.readers.chunk import Chunk
from storage.migration.importing.copying import in_schema
from storage.migration.importing.known_records import has_records, known_elsewhere
from storage.migration.importing.matching import held, ids_and_numbers, met_records
from storage.migration.importing.replacing import judge
from storage.migration.importing.run import Run
from storage.postgres.database import raw

_SHOWN_ERRORS = 20  # in the preview
_KEPT = LISTED_ERRORS + 1  # one more than is listed, which tells that there are more
_OTHERWISE = (
    "the tenant has this number under another id, or had it before this file; the record is"
    " imported as a separate one: see matchBy in docs/migration.md"
)
_MATCHED = "the tenant has this number under another id, and it is taken for the same record"


@dataclass(slots=True)
class Findings:
    """What a survey found. `valid` and `invalid` count records; `rejected` lists the first faults,
    of which a record may have several."""

    valid: int = 0
    invalid: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    samples: tuple[SampleRecord, ...] = ()
    dates: DateEvidence = field(default_factory=DateEvidence)
    tally: Tally = field(default_factory=RecordTally().settled)
    counts: Counts = field(default_factory=Counts)
    remarks: tuple[Remark, ...] = ()
    has_ids: bool = True
    elsewhere: Elsewhere | None = None

    def add(self, checked: "_Checked") -> None:
        self.valid += checked.rows.height
        self.invalid += checked.invalid
        self.rejected += checked.rejected[: _KEPT - len(self.rejected)]
        self.samples = self.samples or checked.samples
        self.dates += checked.dates
        self.remark(*checked.remarks)

    def remark(self, *remarks: Remark) -> None:
        self.remarks = gathered([*self.remarks, *remarks])

    def settle(self, tally: RecordTally, *, refuses: bool) -> None:
        """Add the counts that follow from the whole file. Takes seconds for a million records, so
        it belongs in a thread."""
        self.tally = tally.settled()
        self.counts = self.tally.counts()
        self.remark(*_of_numbers(self.tally))
        if refuses:
            self.refuse_repeated()

    def refuse_repeated(self) -> None:
        """Count repeated records, whose id an earlier record or the tenant has, as invalid: the
        user asked not to skip them."""
        repeated = self.tally.repeated()
        self.valid, self.invalid = self.valid - len(repeated), self.invalid + len(repeated)
        self.rejected += map(duplicate, repeated.head(_KEPT - len(self.rejected)))
        self.rejected.sort(key=lambda each: each.row)


@dataclass(frozen=True, slots=True)
class _Checked:
    """One chunk's part of the findings."""

    rows: pl.DataFrame
    told: pl.DataFrame
    counted: pl.DataFrame
    invalid: int
    rejected: list[Rejected]
    samples: tuple[SampleRecord, ...]
    dates: DateEvidence
    remarks: tuple[Remark, ...]


def check(chunk: Chunk, plan: Plan, entity: Entity) -> _Checked:
    """Map one chunk, and collect what the survey needs of it."""
    mapped = map_columns(chunk.frame, plan)
    rejected = sorted([*chunk.rejected, *mapped.rejected], key=lambda each: each.row)
    return _Checked(
        rows=mapped.rows,
        told=mapped.told,
        counted=counted(mapped.rows),
        invalid=len({each.row for each in rejected}),
        rejected=rejected[:_KEPT],
        samples=sample_records(chunk.frame, mapped),
        dates=date_evidence(chunk.frame, plan),
        remarks=(*oddities(chunk.frame, plan), *contradictions(mapped.rows, entity)),
    )


class Surveyor:
    """Surveys a job's file, for an execution with these options."""

    def __init__(self, connections: Connections, job: LoadedJob, options: Options) -> None:
        self._connections, self._database = connections, connections.database
        self.job, self._options = job, options

    @property
    def refuses(self) -> bool:
        """Whether repeated records, whose id an earlier record or the tenant has, are invalid."""
        return self._options.duplicates == "refuse"

    @property
    def by_number(self) -> bool:
        """Whether all records with the same number count as one."""
        return self._options.match_by == "number"

    async def survey(self, mapping: ImportMapping) -> tuple[Findings, ImportMapping]:
        """The findings, and the mapping with the date order that the whole file proves.

        Only a later row may show which part of 5/3/2016 is the day, or that two records have the
        same number; the file is then surveyed once more with what was learned.
        """
        unique = True
        while True:  # at most three passes, as each of the two assumptions changes once
            findings, assumed = await self._pass(mapping, unique), (mapping, unique)
            if mapping.date_order is None and findings.dates.is_decisive:
                mapping = mapping.model_copy(update={"date_order": findings.dates.order})
            if self._options.match_by is None and findings.tally.matches:
                unique = unique and findings.tally.numbers_are_unique
            if (mapping, unique) == assumed:
                return findings, mapping

    async def _pass(self, mapping: ImportMapping, unique: bool) -> Findings:
        """Survey the file once. `unique`: no two of its records have the same number, as far as is
        known."""
        plan, match = self.job.plan(mapping), self._options.match(unique)
        run = run_of(self.job, plan, self._options)
        met = await self._has_records(run)
        run = replace(run, match="never" if match == "without_id" and not met else match)
        tally = RecordTally(run.matching)
        findings = Findings(has_ids=plan.file is None)
        async with aclosing(self._checked(plan)) as chunks:
            async for checked in chunks:
                is_first = not findings.valid
                findings.add(checked)
                if met:
                    await self._compare(run, checked, tally)
                    continue
                tally.add(checked.counted)
                if is_first:
                    findings.elsewhere = await self._elsewhere(run, checked.rows["source_id"])
        await self._settle(findings, tally)
        return findings

    async def _settle(self, findings: Findings, tally: RecordTally) -> None:
        wanted = 0 if tally.how.by == "never" else of_tally(findings.valid)
        async with self._connections.memory.chunks.holding(wanted):
            await in_thread(lambda: findings.settle(tally, refuses=self.refuses))

    def _checked(self, plan: Plan) -> AsyncGenerator[_Checked]:
        def prepare(_: int, chunk: Chunk) -> _Checked:
            return check(chunk, plan, self.job.entity)

        # Two at once: the consumer has little to do here, and a machine has more than one core.
        numbers = range(self.job.row["chunks"])
        return prepared_chunks(self._connections, self.job, numbers, prepare, ahead=2)

    async def _compare(self, run: Run, checked: _Checked, tally: RecordTally) -> None:
        """Add a chunk to the tally, with the records that the tenant has already and with what they
        would change."""
        changes, rows = None, checked.rows
        async with self._database.tenant(self.job.tenant_id) as connection:
            driver = await raw(connection)
            known = await met_records(driver, run, rows)
            if not known.is_empty():
                told = rows if run.replacing.empty_overwrites else checked.told
                ids = matched(ids_and_numbers(rows), held(run, known), run.matching)
                told = in_schema(told.with_columns(source_id=ids), run.constants)
                changes = await judge(driver, run, told, known)
        tally.add(checked.counted, held(run, known), changes)

    async def _elsewhere(self, run: Run, ids: pl.Series) -> Elsewhere | None:
        async with self._database.tenant(self.job.tenant_id) as connection:
            return await known_elsewhere(await raw(connection), run, ids)

    async def _has_records(self, run: Run) -> bool:
        async with self._database.tenant(self.job.tenant_id) as connection:
            return await has_records(await raw(connection), run)

    def summary(self, findings: Findings) -> Survey:
        """The findings and what parsing learned of the file, for the preview."""
        job, profile = self.job, self.job.row["profile"]
        named: str | None = job.row["source_timezone"]
        values = job.values_of(each.source for each in findings.samples)
        return Survey(
            columns=job.columns,
            identity=job.identity,
            total_records=job.row["total_records"],
            invalid_records=findings.invalid,
            duplicate_records=findings.tally.duplicates,
            known_records=findings.tally.known,
            edited_records=findings.tally.kept,
            samples=findings.samples,
            errors=tuple(findings.rejected[:_SHOWN_ERRORS]),
            encoding=profile["encoding"],
            delimiter=profile["delimiter"],
            ignored=profile["ignored"],
            warnings=tuple(job.row["warnings"]),
            remarks=findings.remarks,
            dates=findings.dates,
            time_zone=named,
            zone_known=job.time_zone is not None and (bool(named) or values != "displayed"),
            is_stored=values in ("stored", "both"),
            has_ids=findings.has_ids,
            elsewhere=findings.elsewhere,
        )


def _of_numbers(tally: Tally) -> Iterator[Remark]:
    """Remarks on records whose number the tenant has under another id."""
    yield from _on_numbers(tally.known_otherwise(), "known_otherwise", _OTHERWISE)
    yield from _on_numbers(tally.found_by_number(), "matched_by_number", _MATCHED)


def _on_numbers(rows: pl.Series, code: str, detail: str) -> Iterator[Remark]:
    if not rows.is_empty():
        yield remark_on(rows, code, detail, "external_id")
