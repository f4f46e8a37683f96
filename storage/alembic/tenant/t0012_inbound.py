"""Calls from vendors: whose an integration is, what happened to an entity, and where."""

from storage.postgres.ddl import run_script

revision = "t0012"
down_revision = "t0011"

# `origin` is the integration in whose tool a person did what the event tells; that tool is not
# told.
_INBOUND = """
alter table notifications add column origin uuid;
create index notifications_entity on notifications (entity_id, id) where entity_id is not null;
create trigger integrations_owner after insert or delete on integrations for each row
execute function public.note_integration_owner();
insert into public.integration_owners (integration_id, tenant_id)
select id, substr(current_schema(), 8) from integrations on conflict do nothing;
"""


def upgrade() -> None:
    run_script(_INBOUND)
