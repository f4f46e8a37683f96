"""Destinations that have two names: what people call them, and what the vendor does."""

from uuid import UUID

from storage.statement import Row, Statements

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
# A claim holds the rate of its destination: one that is under way ends first, so that its slot
# counts below; one that waits for this learns of the place before it claims anything.
_HOLD = """
select from tenant.delivery_rates where integration_id = $1 and destination = any($2)
order by destination collate "C" for update
"""
# What waits under the one name goes on under the other, at the rate that both have used up.
_RENAME = """
update tenant.notification_deliveries d set destination = i.places ->> $2
from tenant.integrations i where i.id = $1 and i.places ? $2 and d.integration_id = i.id
    and d.destination = $2 and d.completed_at is null and d.status <> 'sending'
"""
_PACE = """
insert into tenant.delivery_rates as r (integration_id, destination, free_at, rests_until)
select integration_id, $3, free_at, rests_until from tenant.delivery_rates
where integration_id = $1 and destination = $2
on conflict (integration_id, destination) do update
set free_at = greatest(r.free_at, excluded.free_at),
    rests_until = greatest(r.rests_until, excluded.rests_until)
"""


async def learn(sql: Statements, integration: Row, name: str, place: str) -> None:
    """From now on what is called `name` is one destination with `place`; unless the integration is
    another by now, and leads elsewhere."""
    id, version = integration["id"], integration["version"]
    if await sql.row(_LEARN, id, name, place, version) is None:
        return
    await sql.run(_HOLD, id, sorted((name, place)))
    await rename(sql, id, name)
    await sql.run(_PACE, id, name, place)


async def rename(sql: Statements, integration_id: UUID, name: str) -> None:
    """Have what waits under a name wait under the place that it is known to be, if it is one: it
    may have been routed by somebody who did not know yet, or was being sent under it."""
    await sql.run(_RENAME, integration_id, name)
