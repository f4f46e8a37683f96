"""Incidents, requests and the import ledgers of one tenant.

The tenant's schema is the search path of this script, so table names have no schema.
"""

from storage.postgres.ddl import run_script

revision = "t0001"
down_revision = None

_ORIGIN = """
    id                uuid primary key default uuidv7(),
    source_system     text,
    source_instance   text,
    source_id         text,
"""
_IMPORT = """
    custom            jsonb not null default '{}',
    migration_job_id  uuid,
    source_row        bigint,
    content_hash      bigint,
    imported_at       timestamptz not null default now(),
    row_version       integer not null default 1
"""

_INCIDENTS = f"""
create table incidents ({_ORIGIN}
    external_id         text,
    title               text not null,
    description         text,
    status              text not null,
    priority            smallint not null check (priority between 1 and 4),
    impact              text,
    urgency             text,
    category            text,
    subcategory         text,
    assigned_to         text,
    assigned_to_email   text,
    assigned_group      text,
    reporter            text,
    reporter_email      text,
    location            text,
    configuration_item  text,
    active              boolean,
    resolution_code     text,
    resolution_notes    text,
    created_at          timestamptz,
    updated_at          timestamptz,
    due_at              timestamptz,
    closed_at           timestamptz,
    resolved_at         timestamptz,
    {_IMPORT}
)
"""

_REQUESTS = f"""
create table requests ({_ORIGIN}
    external_id          text,
    title                text not null,
    description          text,
    status               text not null,
    priority             smallint not null check (priority between 1 and 4),
    category             text,
    assigned_to          text,
    assigned_to_email    text,
    assigned_group       text,
    requested_for        text,
    requested_for_email  text,
    stage                text,
    approval             text,
    active               boolean,
    created_at           timestamptz,
    updated_at           timestamptz,
    due_at               timestamptz,
    closed_at            timestamptz,
    {_IMPORT}
)
"""

# Every edit that is not an import raises the version, so that an undo recognises rows that somebody
# has edited since. Imports set `app.import` and write the version themselves.
_VERSION = """
create function raise_row_version() returns trigger language plpgsql
set search_path = pg_catalog as $$
begin
    new.row_version := old.row_version + 1;
    return new;
end $$
"""

_LEDGERS = """
create table import_chunks (
    job_id        uuid not null,
    chunk         integer not null,
    attempts      integer not null default 0,
    inserted      integer not null default 0,
    updated       integer not null default 0,
    skipped       integer not null default 0,
    failed        integer not null default 0,
    first_id      uuid,
    last_id       uuid,
    committed_at  timestamptz,
    undone_at     timestamptz,
    primary key (job_id, chunk)
);
create table import_before_images (
    job_id         uuid not null,
    record_id      uuid not null,
    chunk          integer not null,
    row_version    integer not null,
    before         jsonb not null,
    primary key (job_id, record_id)
);
create index import_before_images_chunk on import_before_images (job_id, chunk);
create table import_errors (
    id          uuid primary key default uuidv7(),
    job_id      uuid not null,
    revision    integer not null,
    source_row  bigint not null,
    source_id   text,
    field       text,
    code        text not null,
    detail      text not null,
    value       text
);
create index import_errors_job on import_errors (job_id, id);
"""


def upgrade() -> None:
    run_script(_VERSION)
    for table, ddl in (("incidents", _INCIDENTS), ("requests", _REQUESTS)):
        run_script(ddl)
        run_script(
            f"create unique index {table}_source"
            f" on {table} (source_id, source_system, source_instance)"
        )
        run_script(f"create index {table}_external_id on {table} (external_id)")
        run_script(
            f"create trigger {table}_version before update on {table} for each row"
            " when (current_setting('app.import', true) is distinct from 'on')"
            " execute function raise_row_version()"
        )
    run_script(_LEDGERS)
