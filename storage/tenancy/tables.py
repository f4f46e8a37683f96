"""The tables of tenants, their keys and what they asked for."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from storage.postgres.columns import id_column, shared, time_column

tenants = Table(
    "tenants",
    shared,
    Column("id", Text, primary_key=True),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    time_column("created_at", nullable=False),
)

api_keys = Table(
    "api_keys",
    shared,
    Column("id", Text, primary_key=True),
    Column("tenant_id", Text),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    time_column("created_at", nullable=False),
    time_column("expires_at"),
    time_column("last_used_at"),
    time_column("revoked_at"),
)

idempotency_keys = Table(
    "idempotency_keys",
    shared,
    Column("tenant_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text),
    Column("status", Integer),
    Column("response", JSONB(none_as_null=True)),
    time_column("created_at", nullable=False),
)

audit_log = Table(
    "audit_log",
    shared,
    id_column(),
    Column("tenant_id", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    time_column("at", nullable=False),
)
