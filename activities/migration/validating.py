"""Has a whole file surveyed (survey.py), and keeps the outcome: the preview.

With options it also decides whether the job may run. Nothing is imported here.
"""

from temporalio import activity

from activities.connections import Connections
from activities.migration.job import LoadedJob, before_import, load_before_import
from activities.migration.survey import Findings, Surveyor
from domain.failures import LISTED_ERRORS, BadInput, Rejected, Unproven
from domain.json_document import Json
from domain.mapping.fitting import fit
from domain.mapping.mapping import ImportMapping
from domain.migration.accounting import unread
from domain.migration.job import Counts, Options
from domain.migration.preview import build_preview
from storage.migration import jobs as migration
from storage.migration.errors import replace_errors
from workflows.migration import messages as m
from workflows.migration import steps


class ValidateActivities:
    def __init__(self, connections: Connections) -> None:
        self._connections, self._database = connections, connections.database

    @activity.defn(name=steps.validate_records.name)
    async def validate_records(self, input: m.ValidateInput) -> m.Validated:
        """Survey the whole file; with options, also decide whether the job may run.

        An execution reuses the survey of the same mapping revision, since chunks and revisions
        never change. It surveys again if a record that the tenant has is a fault, as the tenant's
        records may have changed, or if records with the same number count as one.
        """
        job = await load_before_import(self._database, input.job)
        if not job.row["profile"]:
            raise BadInput("not_parsed", "the file was not read to its end; upload it again")
        revision, mapping = await self._mapping(job, input.revision)
        known, options = job.row["validation"], input.options
        if options and not options.dry_run and known:
            found = m.Validated(**known, accepted=False)
            refuses = found.refuses or options.duplicates == "refuse"
            by_number = found.by_number or options.match_by == "number"
            if found.revision == revision and not refuses and not by_number:
                return await self._decide(job, found, options, None)
        surveyor = Surveyor(self._connections, job, options or Options())
        findings, mapping = await surveyor.survey(mapping)
        validated = await self._record(surveyor, findings, revision, mapping)
        predicted = _predicted(findings) if options else None
        return await self._decide(job, validated, options, predicted)

    async def _mapping(self, job: LoadedJob, revision: int) -> tuple[int, ImportMapping]:
        """The revision asked for, fitted to the file. 0 asks for revision 1: the mapping that came
        with the upload, else the source's default, which is stored now."""
        async with self._database.tenant(job.tenant_id) as connection:
            found = await migration.mapping_of(connection, job.id, revision or 1)
            if found is not None:
                return revision or 1, fit(found, job.columns, job.source_mapping)
            if revision not in (0, 1):
                raise BadInput("mapping_missing", f"the job has no mapping {revision}")
            default = job.source_mapping
            return await migration.add_mapping(connection, job.tenant_id, job.id, default), default

    async def _record(
        self, surveyor: Surveyor, findings: Findings, revision: int, mapping: ImportMapping
    ) -> m.Validated:
        """Store the findings: the preview, the errors, and the mapping with the date order that the
        file proved.

        Raises Unproven if the chunks hold another number of records than parsing had found.
        """
        job = surveyor.job
        problem = unread(job.row["total_records"], findings.valid, findings.invalid)
        if problem is not None:
            raise Unproven(problem)
        validated = m.Validated(
            revision=revision,
            valid=findings.valid,
            invalid=findings.invalid,
            duplicates=findings.tally.duplicates,
            accepted=False,
            refuses=surveyor.refuses,
            by_number=surveyor.by_number,
            numbered=findings.tally.numbers_are_unique,
        )
        preview = build_preview(
            job.ref.job_id, revision, surveyor.summary(findings), mapping, job.entity
        )
        async with before_import(self._database, job.ref) as connection:
            await migration.note(
                connection,
                job.id,
                mapping_revision=revision,
                preview=preview.model_dump(mode="json", by_alias=True),
                validation=validated.model_dump(exclude={"accepted"}),
            )
            await replace_errors(connection, job.id, revision, _listed(findings))
            await migration.settle_mapping(connection, job.id, revision, mapping)
        return validated

    async def _decide(
        self,
        job: LoadedJob,
        validated: m.Validated,
        options: Options | None,
        predicted: Counts | None,
    ) -> m.Validated:
        """Decide whether the job may run, and record why in its report. The status stays as it is:
        only the workflow sets it to `preview`, once it can accept an execution."""
        if options is None:
            return validated
        async with before_import(self._database, job.ref) as connection:
            await migration.note(
                connection,
                job.id,
                options=options.model_dump(mode="json", by_alias=True),
                report=_report(validated, options, predicted),
            )
        accepted = not options.dry_run and may_run(validated, options)
        return validated.model_copy(update={"accepted": accepted})


def may_run(validated: m.Validated, options: Options) -> bool:
    """Whether the findings allow an execution with these options."""
    return validated.invalid == 0 or options.continue_on_error


def _predicted(findings: Findings) -> Counts:
    """What an execution with the surveyed options would do to the file's records."""
    return findings.counts.model_copy(update={"failed": findings.invalid})


def _report(validated: m.Validated, options: Options, predicted: Counts | None) -> Json:
    runs = may_run(validated, options)
    outcome = "dry_run" if options.dry_run else "accepted" if runs else "validation_failed"
    report: Json = {
        "outcome": outcome,
        "validRecords": validated.valid,
        "invalidRecords": validated.invalid,
        "duplicateRecords": validated.duplicates,
    }
    if predicted is not None:
        report["predicted"] = predicted.model_dump()
        report["wouldRun"] = runs
    return report


def _listed(findings: Findings) -> list[Rejected]:
    """The faults to store: a bounded list, whose last entry says so if there are more."""
    listed = findings.rejected[:LISTED_ERRORS]
    if len(findings.rejected) > LISTED_ERRORS:
        detail = f"only the first {LISTED_ERRORS:,} faults are listed"
        last = listed[-1].row
        listed.append(Rejected(row=last, code="too_many_row_errors", detail=detail))
    return listed
