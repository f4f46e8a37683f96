"""The tables of integrations."""

from sqlalchemy import Boolean, Column, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from storage.postgres.columns import id_column, tenant, time_column

integrations = Table(
    "integrations",
    tenant,
    id_column(),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("description", Text),
    Column("config", JSONB, nullable=False, server_default="{}"),
    Column("credentials", Text),
    Column("credential_hints", JSONB, nullable=False, server_default="{}"),
    Column("is_active", Boolean, nullable=False, server_default="true"),
    Column("connection_status", Text, nullable=False, server_default="untested"),
    time_column("last_sync_at"),
    Column("last_error", Text),
    Column("sync_enabled", Boolean, nullable=False, server_default="false"),
    Column("sync_interval", Integer, nullable=False, server_default="60"),
    Column("sync_direction", Text, nullable=False, server_default="both"),
    Column("field_mappings", JSONB, nullable=False, server_default="{}"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_by", Text, nullable=False),
    time_column("created_at", nullable=False),
    time_column("updated_at", nullable=False),
    Column("channel_id", UUID),
    Column("places", JSONB, nullable=False, server_default="{}"),
)

integration_drafts = Table(
    "integration_drafts",
    tenant,
    id_column(),
    Column("type", Text, nullable=False),
    Column("config", JSONB, nullable=False),
    Column("credentials", Text),
    time_column("created_at", nullable=False),
)

integration_logs = Table(
    "integration_logs",
    tenant,
    id_column(),
    Column("integration_id", UUID, nullable=False),
    Column("level", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("context", JSONB, nullable=False, server_default="{}"),
    Column("actor", Text),
    time_column("created_at", nullable=False),
)
