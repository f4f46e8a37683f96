"""Codes in a job's `failure`: nothing of such a job stays imported."""

from domain.problem_codes.code import ProblemCode as Code

JOBS = (
    Code(
        "resource_limit",
        None,
        "Reading, checking or importing the file took more memory or time than one job may have,"
        " also in a process of its own.",
        "Split the file, shorten its longest fields, or have `WORKER_MEMORY_BYTES` raised.",
    ),
    Code(
        "source_missing",
        None,
        "The stored file is gone.",
        "Upload the file again; find out who deletes objects from the storage.",
    ),
    Code(
        "source_changed",
        None,
        "The stored file is no longer the one that was uploaded.",
        "Upload the file again; find out who writes to the storage.",
    ),
    Code(
        "records_unaccounted",
        None,
        "The file holds `expected` records, but the import accounts for `actual`: the database"
        " lost or changed something, as after a restored backup.",
        "Upload the file again.",
    ),
    Code(
        "not_taken_back",
        None,
        "Batches of the import were still in the database when the job was to end as taken back.",
        "Wait: the service tries again to take them back.",
    ),
    Code(
        "expired",
        None,
        "Nobody executed the job, or resumed it, within `MIGRATION_TTL_SECONDS` (7 days by"
        " default).",
        "Upload the file again.",
    ),
    Code(
        "terminated",
        None,
        "Somebody ended the job's workflow in Temporal; what it had imported was taken back.",
        "Upload the file again.",
    ),
    Code(
        "database_refused",
        None,
        "PostgreSQL refuses a record for good, as when somebody added a constraint to the table.",
        "Remove the constraint, or correct the records; then upload the file again.",
    ),
    Code(
        "process_died",
        None,
        "The process that did a step of the job died. The step is tried again, so this code is"
        " seen only in Temporal.",
        "Wait: the job goes on, or fails with `resource_limit`.",
    ),
    Code(
        "worker_shutdown",
        None,
        "The worker that did a step of the job shut down. Another worker does the step again, so"
        " this code is seen only in Temporal.",
        "Wait: the job goes on as soon as a worker runs.",
    ),
)

OPERATED_JOBS = (
    Code(
        "not_parsed",
        None,
        "The file was not read to its end, although the job went on.",
        "Upload the file again.",
    ),
    Code(
        "not_validated",
        None,
        "No check found the file fit to be imported with this mapping, although the job went on.",
        "Upload the file again.",
    ),
    Code(
        "mapping_missing",
        None,
        "The job has no mapping with the number that it was told to use.",
        "Upload the file again.",
    ),
    Code(
        "superseded",
        None,
        "Another run works on the job, or has ended it.",
        "Read the job with `GET /v1/migration/{id}`: it shows how the job stands.",
    ),
    Code(
        "unreadable_result",
        None,
        "A step of the job was completed by hand with a result that cannot be read.",
        "Upload the file again.",
    ),
    Code(
        "foreign_workflow",
        None,
        "A workflow that is not the job's own asked to work on the job.",
        "Nothing has changed; use the API to steer jobs.",
    ),
    Code(
        "job_missing",
        None,
        "The job is no longer on record, as after its tenant was deleted.",
        "Upload the file again, if the tenant exists.",
    ),
)
