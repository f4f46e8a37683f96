"""Opens a job's import, once, and records its mapping and options for every later run."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.migration.job import LoadedJob, has_ended, superseded
from activities.migration.validating import may_run
from domain.failures import BadInput
from domain.migration.job import Options, Phase, Status
from storage.migration import jobs as migration
from storage.migration.jobs import Job
from workflows.migration import messages as m


@dataclass(frozen=True, slots=True)
class OnRecord:
    """The import as the job's row records it."""

    status: Status
    revision: int
    options: Options


async def begin(connection: AsyncConnection, job: LoadedJob, input: m.BeginInput) -> OnRecord:
    """Open the locked job's import, or return the one that is open: a run with another batch size,
    by which batches are numbered, or another mapping would mix two imports in one ledger.

    Raises Superseded if the job has ended or is being taken back.
    """
    row = job.row
    if has_ended(row):
        raise superseded(job)
    if row["started_at"] is not None:
        options = Options.model_validate(row["options"])
        return OnRecord(Status(row["status"]), row["mapping_revision"], options)
    _check_validated(row, input)
    await migration.advance(
        connection,
        job.id,
        Status.PROCESSING,
        Phase.IMPORTING,
        mapping_revision=input.revision,
        options=input.options.model_dump(mode="json", by_alias=True),
    )
    return OnRecord(Status.PROCESSING, input.revision, input.options)


def _check_validated(row: Job, input: m.BeginInput) -> None:
    """Raises BadInput unless the job's row says that the file may be imported. The workflow may
    have been told so by an operator, who can complete the validation by hand with any result.
    """
    found = m.Validated(**(row["validation"] or _NEVER), accepted=False)
    if found.revision != input.revision or not may_run(found, input.options):
        detail = f"the file was not found fit to be imported with mapping {input.revision}"
        raise BadInput("not_validated", detail)


_NEVER = {"revision": 0, "valid": 0, "invalid": 0, "duplicates": 0}
