"""Keys of repeated requests: how long they are remembered, and who forgets them."""

from typing import TypedDict

from storage.tenancy import idempotency
from tests.storage.kept import Kept


class _Key(TypedDict):
    key: str


async def known(kept: Kept) -> list[str]:
    async with kept.database.statements(kept.tenants[0]) as sql:
        query = "select key from public.idempotency_keys order by key"
        return [row["key"] for row in await sql.rows(_Key, query)]


async def remember(kept: Kept, *keys: str, hours: int) -> None:
    """Keys whose requests were answered so many hours ago."""
    async with kept.database.statements(kept.tenants[0]) as sql:
        await sql.run(
            "insert into public.idempotency_keys (tenant_id, key, status, created_at)"
            " select $1, key, 200, now() - make_interval(hours => $3) from unnest($2::text[]) key",
            kept.tenants[0],
            list(keys),
            hours,
        )


async def test_a_request_forgets_its_own_old_key_and_no_other(kept: Kept) -> None:
    """Otherwise requests at the same time would wait for each other's old rows."""
    await remember(kept, "a", "b", hours=25)
    async with kept.database.tenant(kept.tenants[0]) as connection:
        assert await idempotency.reserve(connection, kept.tenants[0], "a", "holder") is None
    assert await known(kept) == ["a", "b"]


async def test_a_sweep_forgets_all_old_keys_and_no_young_one(kept: Kept) -> None:
    await remember(kept, "a", "b", hours=25)
    await remember(kept, "c", hours=23)
    async with kept.database.tenant(kept.tenants[0]) as connection:
        await idempotency.forget_old(connection, kept.tenants[0])
    assert await known(kept) == ["c"]
