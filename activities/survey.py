"""One pass over all chunks of a file under one mapping: what would happen to every record."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

import polars as pl

from activities.chunks import prepared_chunks
from activities.job import Connections, LoadedJob
from domain.columns import Mapped, map_columns
from domain.contradictions import contradictions
from domain.date_rules import DateEvidence
from domain.dates import date_evidence
from domain.entity import Entity
from domain.failures import Rejected
from domain.mapping import Mapping
from domain.oddities import oddities
from domain.plan import Plan
from domain.preview import SAMPLES, SampleRecord, Survey
from domain.remark import Remark, gathered
from domain.samples import sample_records
from domain.tally import RecordTally
from sources.batch import Batch
from storage.database import raw
from storage.known import known_records

LISTED_ERRORS = 10_000


@dataclass(slots=True)
class Findings:
    """What a pass found. `valid` and `invalid` count records, `rejected` lists faults up to a
    bound."""

    valid: int = 0
    invalid: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    samples: tuple[SampleRecord, ...] = ()
    dates: DateEvidence = field(default_factory=DateEvidence)
    tally: RecordTally = field(default_factory=RecordTally)
    remarks: tuple[Remark, ...] = ()

    def add(self, checked: "_Checked", existing: pl.Series | None) -> None:
        self.valid += checked.rows.height
        self.invalid += checked.invalid
        self.rejected += checked.rejected[: LISTED_ERRORS - len(self.rejected)]
        self.samples = self.samples or checked.samples
        self.dates += checked.dates
        self.remarks = gathered([*self.remarks, *checked.remarks])
        self.tally.add(checked.rows, existing)


@dataclass(frozen=True, slots=True)
class _Checked:
    """One chunk's part of the findings."""

    rows: pl.DataFrame
    invalid: int
    rejected: list[Rejected]
    samples: tuple[SampleRecord, ...]
    dates: DateEvidence
    remarks: tuple[Remark, ...]


def check(batch: Batch, plan: Plan, entity: Entity) -> _Checked:
    mapped = map_columns(batch.frame, plan)
    rejected = sorted([*batch.rejected, *mapped.rejected], key=lambda each: each.row)
    return _Checked(
        rows=mapped.rows.select("source_id", "content_hash"),
        invalid=len({each.row for each in rejected}),
        rejected=rejected[:LISTED_ERRORS],
        samples=_samples(batch, mapped),
        dates=date_evidence(batch.frame, plan),
        remarks=(*oddities(batch.frame, plan), *contradictions(mapped.rows, entity)),
    )


def _samples(batch: Batch, mapped: Mapped) -> tuple[SampleRecord, ...]:
    first = batch.frame.head(1)
    is_start = not first.is_empty() and first["_row"][0] <= SAMPLES
    return sample_records(batch.frame, mapped) if is_start else ()


class Surveyor:
    """Surveys a job's file; asks the database only when existing records matter (dry run)."""

    def __init__(self, connections: Connections, job: LoadedJob, with_existing: bool) -> None:
        self._connections, self._database = connections, connections.database
        self.job, self._with_existing = job, with_existing

    async def survey(self, mapping: Mapping) -> tuple[Findings, Mapping]:
        """The findings, and the mapping with the date order that the whole file settled.

        Dates such as 5/3/2016 may only be told apart by another row of the file; where that is
        so, the file is read once more in the order that it proved.
        """
        findings = await self._pass(mapping)
        order = findings.dates.order
        if mapping.date_order is None and findings.dates.ambiguous and order is not None:
            mapping = mapping.model_copy(update={"date_order": order})
            findings = await self._pass(mapping)
        return findings, mapping

    async def _pass(self, mapping: Mapping) -> Findings:
        findings, plan = Findings(), self.job.plan(mapping)
        async with aclosing(self._checked(plan)) as chunks:
            async for checked in chunks:
                findings.add(checked, await self._existing(checked.rows["source_id"]))
        return findings

    def _checked(self, plan: Plan) -> AsyncGenerator[_Checked]:
        def prepare(_: int, batch: Batch) -> _Checked:
            return check(batch, plan, self.job.entity)

        # Two at once: nothing else is waited for here, and there is more than one core.
        numbers = range(self.job.row["chunks"])
        return prepared_chunks(self._connections, self.job, numbers, prepare, ahead=2)

    async def _existing(self, ids: pl.Series) -> pl.Series | None:
        if not self._with_existing:
            return None
        job = self.job
        async with self._database.tenant(job.tenant_id) as connection:
            known = await known_records(
                await raw(connection),
                (job.tenant_id, job.entity.table),
                (job.row["source_system"], job.row["source_instance"]),
                ids,
            )
        return ids.to_frame().join(known, on="source_id", how="left", maintain_order="left")[
            "known_hash"
        ]

    def summary(self, findings: Findings) -> Survey:
        """The findings with what parsing learned, for the preview."""
        job, profile = self.job, self.job.row["profile"]
        return Survey(
            columns=job.columns,
            identity=job.identity,
            total_records=job.row["total_records"],
            invalid_records=findings.invalid,
            duplicate_records=findings.tally.duplicates,
            samples=findings.samples,
            errors=tuple(findings.rejected[:20]),
            encoding=profile["encoding"],
            delimiter=profile["delimiter"],
            ignored=profile["ignored"],
            warnings=tuple(job.row["warnings"]),
            remarks=findings.remarks,
            dates=findings.dates,
            zone_known=job.time_zone is not None,
        )
