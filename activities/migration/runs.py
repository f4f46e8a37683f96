"""The settings by which an execution of a job treats records that the tenant has already."""

from activities.migration.job import LoadedJob
from domain.mapping.plan import Plan
from domain.migration.job import Options
from storage.migration.importing.run import Replacing, Run


def run_of(job: LoadedJob, plan: Plan, options: Options) -> Run:
    """The run of a job with these options, before it has an epoch."""
    return Run(
        tenant_id=job.tenant_id,
        job_id=job.id,
        epoch=0,
        table=job.entity.table,
        source_system=job.row["source_system"],
        source_instance=job.row["source_instance"],
        duplicates=options.duplicates,
        all_or_nothing=not options.continue_on_error,
        replacing=Replacing(
            fields=tuple(plan.told_fields(job.columns)),
            columns=tuple(name for name in job.columns if name not in plan.used_sources()),
            empty_overwrites=options.empty_overwrites,
            overwrite_edits=options.overwrite_edits,
        ),
    )
