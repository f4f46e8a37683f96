"""Secrets out of channels' configs, into integrations that are not listed."""

from storage.postgres.ddl import run_script

revision = "t0004"
down_revision = "t0003"

# `channel_id`: the notification channel whose own this integration is. Nobody lists it, it goes
# with its channel, and it bears the channel's name, so names are unique among the others only.
# `places`: what the vendor calls the destinations that people name.
_OWN = """
alter table integrations
    add column channel_id uuid references notification_channels on delete cascade,
    add column places jsonb not null default '{}';
alter table integrations drop constraint integrations_name_key;
create unique index integrations_name on integrations (name) where channel_id is null;
create unique index integrations_channel on integrations (channel_id);
"""


def upgrade() -> None:
    run_script(_OWN)
