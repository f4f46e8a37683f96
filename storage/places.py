"""Destinations that have two names: what people call them, and what the vendor does."""

from storage.statement import Row, Statements

_MOST = 1_000  # names of an integration; more are not learnt

_LEARN = f"""
update tenant.integrations set places = places || jsonb_build_object($2::text, $3::text)
where id = $1 and version = $4 and places ->> $2 is distinct from $3
    and (places ? $2 or (select count(*) from jsonb_object_keys(places)) < {_MOST})
returning id
"""
# What waits under the one name goes on under the other, at the rate that both have used up.
_RENAME = """
update tenant.notification_deliveries set destination = $3
where integration_id = $1 and destination = $2 and completed_at is null and status <> 'sending'
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
    for statement in (_RENAME, _PACE):
        await sql.run(statement, id, name, place)
