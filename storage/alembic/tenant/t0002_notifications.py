"""Integrations, notification channels and preferences; notifications, deliveries, attempts."""

from storage.postgres.ddl import run_script

revision = "t0002"
down_revision = "t0001"

_INTEGRATIONS = """
create table integrations (
    id                 uuid primary key default uuidv7(),
    name               text not null unique,
    type               text not null,
    description        text,
    config             jsonb not null default '{}',
    credentials        text,
    credential_hints   jsonb not null default '{}',
    is_active          boolean not null default true,
    connection_status  text not null default 'untested' check (connection_status in
                       ('untested', 'connected', 'failing', 'misconfigured', 'disabled')),
    last_sync_at       timestamptz,
    last_error         text,
    sync_enabled       boolean not null default false,
    sync_interval      integer not null default 60 check (sync_interval > 0),
    sync_direction     text not null default 'both'
                       check (sync_direction in ('inbound', 'outbound', 'both')),
    field_mappings     jsonb not null default '{}',
    version            integer not null default 1,
    created_by         text not null,
    created_at         timestamptz not null default now(),
    updated_at         timestamptz not null default now()
);
create table integration_drafts (
    id           uuid primary key default uuidv7(),
    type         text not null,
    config       jsonb not null,
    credentials  text,
    created_at   timestamptz not null default now()
);
create table integration_logs (
    id              uuid primary key default uuidv7(),
    integration_id  uuid not null references integrations on delete cascade,
    level           text not null check (level in ('info', 'warning', 'error')),
    action          text not null,
    detail          text not null,
    context         jsonb not null default '{}',
    actor           text,
    created_at      timestamptz not null default now()
);
create index integration_logs_integration on integration_logs (integration_id, id);
create table notification_channels (
    id              uuid primary key default uuidv7(),
    name            text not null unique,
    type            text not null,
    integration_id  uuid references integrations on delete set null,
    config          jsonb not null default '{}',
    is_default      boolean not null default false,
    is_active       boolean not null default true,
    created_at      timestamptz not null default now()
);
create table notification_preferences (
    user_id      text primary key,
    preferences  jsonb not null,
    updated_at   timestamptz not null default now()
);
"""

# A delivery keeps the channel's options as they were when it was routed, since the channel may be
# deleted before the delivery is sent. `rank` is that of the severity; deliveries are sent in its
# order. `alert_key` is set where the order of an alert's events matters to the vendor. Of the
# columns that a claim changes none is indexed, and pages keep room, so a claim updates no index.
_DELIVERIES = """
create table notifications (
    id           uuid primary key default uuidv7(),
    request_id   uuid not null,
    event_type   text not null,
    title        text not null,
    body         text not null,
    entity_type  text,
    entity_id    text,
    metadata     jsonb not null default '{}',
    recipient    jsonb,
    dedup_key    text,
    severity     text,
    expires_at   timestamptz,
    created_by   text not null,
    created_at   timestamptz not null default now(),
    routed_at    timestamptz
);
create index notifications_request on notifications (request_id, id);
create unique index notifications_dedup on notifications (dedup_key) where dedup_key is not null;
create table notification_deliveries (
    id               uuid primary key default uuidv7(),
    notification_id  uuid not null references notifications on delete cascade,
    request_id       uuid not null,
    channel_id       uuid not null,
    channel_type     text not null,
    integration_id   uuid,
    options          jsonb not null default '{}',
    destination      text not null default '',
    alert_key        text,
    status           text not null default 'pending' check (status in ('pending', 'sending',
                     'retrying', 'accepted', 'delivered', 'failed', 'expired', 'cancelled')),
    rank             smallint not null,
    attempts         integer not null default 0,
    failures         integer not null default 0,
    next_attempt_at  timestamptz default now(),
    deadline_at      timestamptz not null,
    last_class       text,
    last_error       text,
    reference        jsonb,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    completed_at     timestamptz,
    unique (notification_id, channel_id)
) with (fillfactor = 70);
create index notification_deliveries_due
    on notification_deliveries (integration_id, destination, rank, id)
    where completed_at is null;
create index notification_deliveries_request
    on notification_deliveries (request_id, integration_id)
    where completed_at is null;
create index notification_deliveries_alert
    on notification_deliveries (integration_id, alert_key)
    where alert_key is not null and completed_at is null;
create table delivery_attempts (
    delivery_id      uuid not null references notification_deliveries on delete cascade,
    no               integer not null,
    started_at       timestamptz not null,
    completed_at     timestamptz,
    worker           text not null,
    class            text,
    maybe_sent       boolean,
    status_code      integer,
    latency_ms       integer,
    request          jsonb,
    response         text,
    error            text,
    next_attempt_at  timestamptz,
    primary key (delivery_id, no)
) with (fillfactor = 80);
create table delivery_rates (
    integration_id  uuid not null references integrations on delete cascade,
    destination     text not null,
    free_at         timestamptz not null,
    primary key (integration_id, destination)
);
"""


def upgrade() -> None:
    run_script(_INTEGRATIONS)
    run_script(_DELIVERIES)
