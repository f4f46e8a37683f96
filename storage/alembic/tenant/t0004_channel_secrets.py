"""Makes room for moving secrets out of channels' configs, into integrations of these channels."""

from storage.postgres.ddl import run_script

revision = "t0004"
down_revision = "t0003"

# `channel_id`: the notification channel that alone uses this integration. Such an integration is
# not listed, is deleted with its channel, and has the channel's name; so names are unique among the
# other integrations only. `places`: the vendor's own names of destinations, by those in configs.
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
