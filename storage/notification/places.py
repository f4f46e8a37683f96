"""Destinations with two names: the one in our config, and the vendor's own (a place)."""

from uuid import UUID

from domain.integration.stored import SendingIntegration
from storage.notification import destinations as destination
from storage.postgres.statement import Statements

_MOST = 1_000  # names that an integration keeps a place for; further ones are not learnt

# A vendor's own name never stands for another one as well. Otherwise, after a channel was renamed
# or the config changed, two names could stand for each other, and nothing would be sent to either.
_LEARN = f"""
update tenant.integrations set places = places || jsonb_build_object($2::text, $3::text)
where id = $1 and version = $4 and places ->> $2 is distinct from $3
    and not places ? $3
    and not exists (select 1 from jsonb_each_text(places) known where known.value = $2)
    and (places ? $2 or (select count(*) from jsonb_object_keys(places)) < {_MOST})
returning id
"""
# Waiting deliveries move to the vendor's name, and the later time of both rates holds. Rows that
# another transaction has locked are skipped, as it may wait for our locks; a claim renames them.
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
    """Record that `name` and `place` are one destination. Does nothing if the integration has
    changed since and may lead elsewhere, if `place` is a name of our config or `name` the place of
    another one, or if the integration has too many names."""
    id, version = integration["id"], integration["version"]
    if await sql.value(_LEARN, id, name, place, version) is None:
        return
    # Lock both, as claims do: a claim under way ends first, so that _PACE counts its slot. A claim
    # that waits for these locks finds the place known before it claims anything.
    for each in sorted((name, place)):
        await destination.hold(sql, id, each)
    await rename(sql, id, name)
    await sql.run(_PACE, id, name, place)


async def rename(sql: Statements, integration_id: UUID, name: str) -> None:
    """Move waiting deliveries from a name to the vendor's own, if that is known. There may be some
    after `learn`: they were being sent, or were routed before the place was known."""
    await sql.run(_RENAME, integration_id, name)
