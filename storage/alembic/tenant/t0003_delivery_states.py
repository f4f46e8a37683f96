"""Deliveries: new statuses with a reason, recipients, and the state of destinations."""

from storage.postgres.ddl import run_script

revision = "t0003"
down_revision = "t0002"

# A delivery with the status `not_sent` may have no channel, and one that is to be sent again has no
# deadline until it is routed again. `alert_key` is now set for every event that names an entity.
# Ended deliveries have an index by it of their own, so that a claim, which needs open ones only,
# does not read an entity's whole past. The index of open ones has the condition that
# storage/notification/order.py uses. After `lease_until` a sending worker is taken to be
# dead.
_DELIVERIES = """
alter table notification_deliveries
    alter column channel_id drop not null,
    alter column channel_type drop not null,
    alter column deadline_at drop not null,
    add column recipient text not null default '',
    add column action text,
    add column throttles integer not null default 0,
    add column doubts integer not null default 0,
    add column lease_until timestamptz,
    add column reason text,
    drop constraint notification_deliveries_status_check,
    add constraint notification_deliveries_status_check check (status in ('pending', 'sending',
        'retrying', 'accepted', 'delivered', 'failed', 'expired', 'cancelled', 'superseded',
        'not_sent')),
    drop constraint notification_deliveries_notification_id_channel_id_key,
    add constraint notification_deliveries_once
        unique nulls not distinct (notification_id, channel_id, recipient);
drop index notification_deliveries_alert;
create index notification_deliveries_alert
    on notification_deliveries (channel_id, alert_key, notification_id)
    where alert_key is not null and num_nulls(completed_at) = 1;
create index notification_deliveries_told
    on notification_deliveries (channel_id, alert_key, notification_id)
    where alert_key is not null and completed_at is not null;
"""
# A destination gets nothing until `rests_until`, which its vendor asked for. One that refused us
# has a `probe_at`, and gets one delivery at a time, not before that time.
_DESTINATIONS = """
alter table delivery_rates
    add column rests_until timestamptz,
    add column probes integer not null default 0,
    add column probed_at timestamptz,
    add column probe_at timestamptz;
"""
# Deliveries that waited under the earlier rules (for a change of their integration, or for as long
# as a vendor had asked) follow the new rules. No rate keeps a destination busy for over 65 minutes.
_WAITING = """
update notification_deliveries d set action = case
        when lower(n.event_type) ~ '(^|\\.)(resolved|closed)$' then 'resolve'
        when lower(n.event_type) ~ '(^|\\.)acknowledged$' then 'acknowledge'
        else 'trigger' end
    from notifications n where n.id = d.notification_id and d.completed_at is null;
update delivery_rates set free_at = now(), rests_until = now() + interval '1 hour'
    where free_at > now() + interval '65 minutes';
with woken as (
    update notification_deliveries set next_attempt_at = case last_class
            when 'misconfigured' then now() else now() + interval '1 hour' end
    where completed_at is null and status = 'retrying' and (last_class = 'misconfigured'
        or last_class = 'throttled' and next_attempt_at > now() + interval '1 hour')
    returning request_id
)
insert into public.outbox (tenant_id, kind, subject, count)
select substr(current_schema(), 8), 'wake', request_id, 1
from (select distinct request_id from woken) each;
"""


def upgrade() -> None:
    run_script(_DELIVERIES)
    run_script(_DESTINATIONS)
    run_script(_WAITING)
