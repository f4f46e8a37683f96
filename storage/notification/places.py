"""Destinations that have two names: what people call them, and what the vendor does."""

from uuid import UUID

from domain.integration.stored import SendingIntegration
from storage.notification import destinations as destination
from storage.postgres.statement import Statements

_MOST = 1_000  # names of an integration; more are not learnt

# A name of the vendor's is never called by another: where a channel was renamed, or the config
# leads elsewhere by now, two places would stand for each other, and nothing be sent to either.
_LEARN = f"""
update tenant.integrations set places = places || jsonb_build_object($2::text, $3::text)
where id = $1 and version = $4 and places ->> $2 is distinct from $3
    and not places ? $3
    and not exists (select 1 from jsonb_each_text(places) known where known.value = $2)
    and (places ? $2 or (select count(*) from jsonb_object_keys(places)) < {_MOST})
returning id
"""
# What waits under the one name goes on under the other, at the rate that both have used up. Who
# holds one of them may wait for our rates; a claim renames it later.
_RENAME = """
update tenant.notification_deliveries d set destination = waiting.place
from (
    select w.id, i.places ->> $2 as place
    from tenant.notification_deliveries w join tenant.integrations i on i.id = w.integration_id
    where i.id = $1 and i.places ? $2
        and w.destination = $2 and w.completed_at is null and w.status <> 'sending'
    for no key update of w skip locked) waiting
where d.id = waiting.id
"""
_PACE = """
update tenant.delivery_rates r
set free_at = greatest(r.free_at, own.free_at),
    rests_until = greatest(r.rests_until, own.rests_until)
from tenant.delivery_rates own
where r.integration_id = $1 and r.destination = $3
    and own.integration_id = $1 and own.destination = $2
"""


async def learn(sql: Statements, integration: SendingIntegration, name: str, place: str) -> None:
    """From now on what is called `name` is one destination with `place`; unless the integration is
    another by now, and leads elsewhere."""
    id, version = integration["id"], integration["version"]
    if await sql.value(_LEARN, id, name, place, version) is None:
        return
    # As claims do: one that is under way ends first, so that its slot counts below; one that waits
    # for this learns of the place before it claims anything.
    for each in sorted((name, place)):
        await destination.hold(sql, id, each)
    await rename(sql, id, name)
    await sql.run(_PACE, id, name, place)


async def rename(sql: Statements, integration_id: UUID, name: str) -> None:
    """Have what waits under a name wait under the place that it is known to be, if it is one: it
    may have been routed by somebody who did not know yet, or was being sent under it."""
    await sql.run(_RENAME, integration_id, name)
