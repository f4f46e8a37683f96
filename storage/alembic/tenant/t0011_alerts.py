"""Alerts: the vendor's reference to what stands for an entity in a channel's tool."""

from storage.postgres.ddl import run_script

revision = "t0011"
down_revision = "t0010"

_ALERTS = """
create table alerts (
    channel_id      uuid not null,
    alert_key       text not null,
    recipient       text not null,
    integration_id  uuid not null,
    reference       jsonb not null,
    action          text,
    notification_id uuid not null,
    opened_by       uuid not null,
    updated_at      timestamptz not null default now(),
    primary key (channel_id, alert_key, recipient)
);
create index alerts_integration on alerts (integration_id);
create index alerts_reference on alerts using gin (reference jsonb_path_ops);
"""
# Slack messages that are posted already: later events of their entities edit and answer them.
_POSTED = """
insert into alerts (channel_id, alert_key, recipient, integration_id, reference, action,
    notification_id, opened_by)
select distinct on (channel_id, alert_key, recipient) channel_id, alert_key, recipient,
    integration_id, reference, action, notification_id, notification_id
from notification_deliveries
where channel_type = 'slack' and alert_key is not null and completed_at is not null
    and channel_id is not null and integration_id is not null and reference ->> 'ts' <> ''
order by channel_id, alert_key, recipient, notification_id desc;
"""


def upgrade() -> None:
    run_script(_ALERTS)
    run_script(_POSTED)
