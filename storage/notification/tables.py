"""The tables of notifications, their deliveries and channels; see storage/postgres/columns.py."""

from sqlalchemy import Boolean, Column, DateTime, Integer, SmallInteger, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB, UUID

from storage.postgres.columns import count_column, id_column, shared, tenant, time_column

notification_channels = Table(
    "notification_channels",
    tenant,
    id_column(),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("integration_id", UUID),
    Column("config", JSONB, nullable=False, server_default="{}"),
    Column("is_default", Boolean, nullable=False, server_default="false"),
    Column("is_active", Boolean, nullable=False, server_default="true"),
    time_column("created_at", nullable=False),
)

notification_preferences = Table(
    "notification_preferences",
    tenant,
    Column("user_id", Text, primary_key=True),
    Column("preferences", JSONB, nullable=False),
    time_column("updated_at", nullable=False),
)

notifications = Table(
    "notifications",
    tenant,
    id_column(),
    Column("request_id", UUID, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("entity_type", Text),
    Column("entity_id", Text),
    Column("metadata", JSONB, nullable=False, server_default="{}"),
    Column("recipient", JSONB(none_as_null=True)),
    Column("dedup_key", Text),
    Column("severity", Text),
    time_column("expires_at"),
    Column("created_by", Text, nullable=False),
    time_column("created_at", nullable=False),
    time_column("routed_at"),
    Column("event_id", Text),
    Column("origin", UUID),
)

notification_deliveries = Table(
    "notification_deliveries",
    tenant,
    id_column(),
    Column("notification_id", UUID, nullable=False),
    Column("request_id", UUID, nullable=False),
    Column("channel_id", UUID),
    Column("channel_type", Text),
    Column("recipient", Text, nullable=False, server_default=""),
    Column("integration_id", UUID),
    Column("options", JSONB, nullable=False, server_default="{}"),
    Column("destination", Text, nullable=False, server_default=""),
    Column("alert_key", Text),
    Column("action", Text),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("rank", SmallInteger, nullable=False),
    count_column("attempts"),
    count_column("failures"),
    count_column("throttles"),
    count_column("doubts"),
    time_column("lease_until"),
    Column("next_attempt_at", DateTime(timezone=True), server_default=func.now()),
    time_column("deadline_at"),
    Column("last_class", Text),
    Column("last_error", Text),
    Column("reason", Text),
    Column("reference", JSONB(none_as_null=True)),
    time_column("created_at", nullable=False),
    time_column("updated_at", nullable=False),
    time_column("completed_at"),
)

delivery_attempts = Table(
    "delivery_attempts",
    tenant,
    Column("delivery_id", UUID, primary_key=True),
    Column("no", Integer, primary_key=True),
    Column("started_at", DateTime(timezone=True), nullable=False),
    time_column("completed_at"),
    Column("worker", Text, nullable=False),
    Column("class", Text),
    Column("maybe_sent", Boolean),
    Column("status_code", Integer),
    Column("latency_ms", Integer),
    Column("request", JSONB(none_as_null=True)),
    Column("response", Text),
    Column("error", Text),
    time_column("next_attempt_at"),
)

delivery_rates = Table(
    "delivery_rates",
    tenant,
    Column("integration_id", UUID, primary_key=True),
    Column("destination", Text, primary_key=True),
    Column("free_at", DateTime(timezone=True), nullable=False),
    time_column("rests_until"),
    count_column("probes"),
    time_column("probed_at"),
    time_column("probe_at"),
)

alerts = Table(
    "alerts",
    tenant,
    Column("channel_id", UUID, primary_key=True),
    Column("alert_key", Text, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("integration_id", UUID, nullable=False),
    Column("reference", JSONB, nullable=False),
    Column("action", Text),
    Column("notification_id", UUID, nullable=False),
    Column("opened_by", UUID, nullable=False),
    time_column("updated_at", nullable=False),
)

outbox = Table(
    "outbox",
    shared,
    id_column(),
    Column("tenant_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", UUID, nullable=False),
    Column("count", Integer, nullable=False),
    time_column("created_at", nullable=False),
)
