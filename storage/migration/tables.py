"""The tables of migration jobs and of the records that they import."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    Integer,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.types import TypeEngine

from domain.mapping.entities.registry import ENTITIES
from domain.mapping.entity import Entity
from domain.mapping.kinds import BOOLEAN, PRIORITY, STATUS, TEXT, TIMESTAMP, Kind
from domain.migration.job import OUTCOMES
from storage.postgres.columns import count_column, id_column, shared, tenant, time_column

COLUMN_TYPES: Mapping[Kind, TypeEngine[Any]] = {
    TEXT: Text(),
    TIMESTAMP: DateTime(timezone=True),
    BOOLEAN: Boolean(),
    STATUS: Text(),
    PRIORITY: SmallInteger(),
}


def _entity(entity: Entity) -> Table:
    fields = (
        Column(field.name, COLUMN_TYPES[field.kind], nullable=not field.required)
        for field in entity.fields
    )
    return Table(
        entity.table,
        tenant,
        id_column(),
        Column("source_system", Text),
        Column("source_instance", Text),
        Column("source_id", Text),
        *fields,
        Column("custom", JSONB, nullable=False, server_default="{}"),
        Column("migration_job_id", UUID),
        Column("source_row", BigInteger),
        Column("content_hash", BigInteger),
        time_column("imported_at", nullable=False),
        Column("row_version", Integer, nullable=False, server_default="1"),
        Column("imported_version", Integer),
    )


records: Mapping[str, Table] = {name: _entity(entity) for name, entity in ENTITIES.items()}

import_chunks = Table(
    "import_chunks",
    tenant,
    Column("job_id", UUID, primary_key=True),
    Column("chunk", Integer, primary_key=True),
    count_column("attempts"),
    *map(count_column, OUTCOMES),
    Column("first_id", UUID),
    Column("last_id", UUID),
    time_column("committed_at"),
    time_column("undone_at"),
)

import_before_images = Table(
    "import_before_images",
    tenant,
    Column("job_id", UUID, primary_key=True),
    Column("record_id", UUID, primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("row_version", Integer, nullable=False),
    Column("before", JSONB, nullable=False),
)

import_errors = Table(
    "import_errors",
    tenant,
    id_column(),
    Column("job_id", UUID, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("source_row", BigInteger, nullable=False),
    Column("source_id", Text),
    Column("field", Text),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("value", Text),
)

import_skips = Table(
    "import_skips",
    tenant,
    id_column(),
    Column("job_id", UUID, nullable=False),
    Column("source_row", BigInteger, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

migration_jobs = Table(
    "migration_jobs",
    shared,
    id_column(),
    Column("tenant_id", Text, nullable=False),
    Column("source_system", Text, nullable=False),
    Column("source_instance", Text, nullable=False, server_default=""),
    Column("entity_type", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("charset", Text),
    Column("delimiter", Text),
    Column("file_name", Text, nullable=False),
    Column("object_key", Text, nullable=False),
    Column("file_path", Text, Computed("object_key")),
    Column("object_size", BigInteger, nullable=False),
    Column("object_etag", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("phase", Text, nullable=False, server_default="uploading"),
    count_column("epoch"),
    Column("turn", BigInteger, nullable=False, server_default="0"),
    count_column("mapping_revision"),
    Column("source_timezone", Text),
    Column("dry_run", Boolean, nullable=False, server_default="false"),
    Column("options", JSONB, nullable=False, server_default="{}"),
    Column("total_records", BigInteger, nullable=False, server_default="0"),
    count_column("chunks"),
    Column("batches", Integer),
    Column("profile", JSONB, nullable=False, server_default="{}"),
    Column("preview", JSONB(none_as_null=True)),
    Column("validation", JSONB(none_as_null=True)),
    Column("report", JSONB, nullable=False, server_default="{}"),
    Column("warnings", JSONB, nullable=False, server_default="[]"),
    Column("failure", JSONB(none_as_null=True)),
    Column("ending", Text),
    Column("created_by", Text, nullable=False),
    time_column("created_at", nullable=False),
    time_column("started_at"),
    time_column("completed_at"),
)

migration_job_mappings = Table(
    "migration_job_mappings",
    shared,
    Column("job_id", UUID, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("mapping", JSONB, nullable=False),
    time_column("created_at", nullable=False),
)

work_starts = Table(
    "work_starts",
    shared,
    Column("job_id", UUID, primary_key=True),
    Column("tenant_id", Text, nullable=False),
    Column("work", Text, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("open", Text),
    Column("alone", Boolean, nullable=False),
    Column("shared_deaths", Integer, nullable=False),
    Column("own_deaths", Integer, nullable=False),
    time_column("changed_at", nullable=False),
)

migration_mappings = Table(
    "migration_mappings",
    shared,
    id_column(),
    Column("tenant_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("source_system", Text, nullable=False),
    Column("target_entity", Text, nullable=False),
    Column("mapping", JSONB, nullable=False),
    Column("created_by", Text, nullable=False),
    time_column("created_at", nullable=False),
    time_column("updated_at", nullable=False),
)
