"""API keys: `fl_<id>_<secret>_<check>`. Only the id and a SHA-256 of the secret are stored.

The secret has 256 random bits, so a fast hash is enough. The check (CRC-32 of what precedes it)
lets secret scanners recognise a leaked key, and junk is refused without asking the database.
"""

import hashlib
import hmac
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, TypedDict, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.tenant import TenantId
from storage.postgres.database import Database
from storage.postgres.rows import rows_of

Role = Literal["platform", "admin", "operator", "viewer", "notifier"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: an API key, its role, and its tenant (None for the platform's own key)."""

    key_id: str
    role: Role
    tenant_id: TenantId | None
    slug: str | None


class NewKey(NamedTuple):
    """`key` is what the caller gets; only `id` and `secret_hash` (SHA-256) are stored."""

    id: str
    key: str
    secret_hash: bytes


class ApiKey(TypedDict):
    """The fields of an API key that may be shown."""

    id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class _Resolved(TypedDict):
    """A row of the SQL function public.resolve_api_key."""

    id: str
    tenant_id: str | None
    role: Role
    slug: str | None
    secret_hash: bytes
    used_lately: bool


def generate() -> NewKey:
    """Make up a new API key; nothing is stored."""
    key_id, secret = secrets.token_hex(5), secrets.token_hex(32)
    body = f"fl_{key_id}_{secret}"
    return NewKey(key_id, f"{body}_{_check(body)}", hashlib.sha256(secret.encode()).digest())


def _check(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


async def resolve(database: Database, key: str) -> Principal | None:
    """The caller that the key belongs to; None if it is unknown, expired, revoked or malformed."""
    body, _, check = key.rpartition("_")
    parts = body.split("_")
    if len(parts) != 3 or not hmac.compare_digest(check.encode(), _check(body).encode()):
        return None
    rows = await database.call("public.resolve_api_key($1)", parts[1])
    found = cast("list[_Resolved]", rows)
    given = hashlib.sha256(parts[2].encode()).digest()
    if not found or not hmac.compare_digest(found[0]["secret_hash"], given):
        return None
    [row] = found
    if not row["used_lately"]:  # at most once a minute, so that most requests write nothing
        await database.call("public.touch_api_key($1)", row["id"])
    tenant_id = TenantId(row["tenant_id"]) if row["tenant_id"] else None
    return Principal(row["id"], row["role"], tenant_id, row["slug"])


async def create(
    connection: AsyncConnection,
    tenant_id: TenantId,
    role: Role,
    name: str,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create a key of a tenant. Returns those of its fields that may be shown, and the key itself,
    which cannot be shown again."""
    new = generate()
    created = await connection.execute(
        text(
            "insert into public.api_keys (id, tenant_id, name, role, secret_hash, expires_at)"
            " values (:id, :tenant, :name, :role, :hash, :expires_at)"
            " returning id, name, role, created_at, expires_at, last_used_at"
        ),
        {
            "id": new.id,
            "tenant": tenant_id,
            "name": name,
            "role": role,
            "hash": new.secret_hash,
            "expires_at": expires_at,
        },
    )
    [key] = rows_of(ApiKey, created)
    return key, new.key


async def listed(connection: AsyncConnection) -> list[ApiKey]:
    """The tenant's keys that are not revoked, newest last."""
    rows = await connection.execute(
        text(
            "select id, name, role, created_at, expires_at, last_used_at from public.api_keys"
            " where revoked_at is null order by created_at, id"
        )
    )
    return rows_of(ApiKey, rows)


async def revoke(connection: AsyncConnection, key_id: str) -> bool:
    """Revoke a key of the tenant; False if no such key was valid."""
    done = await connection.execute(
        text(
            "update public.api_keys set revoked_at = now()"
            " where id = :id and revoked_at is null returning id"
        ),
        {"id": key_id},
    )
    return done.one_or_none() is not None


async def create_platform_key(database: Database) -> str:
    """Create the key that may create tenants. Earlier platform keys are revoked, since a new one is
    only made when the file with the old one is missing."""
    new = generate()
    async with database.owner() as connection:
        await connection.execute(
            text("update public.api_keys set revoked_at = now() where role = 'platform'")
        )
        await connection.execute(
            text(
                "insert into public.api_keys (id, name, role, secret_hash)"
                " values (:id, 'platform', 'platform', :hash)"
            ),
            {"id": new.id, "hash": new.secret_hash},
        )
    return new.key
