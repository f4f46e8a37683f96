"""The tables of idempotency keys and of the audit log. The tables of tenants and of API keys are
used in plain SQL only (tenants.py, api_keys.py)."""

from sqlalchemy import Column, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from storage.postgres.columns import id_column, shared, time_column

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
