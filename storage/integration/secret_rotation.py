"""Rotates the keys that secrets are sealed with, while the service runs.

Every secret has a key of its own, and only these keys are encrypted again
(storage/secrets/vault.py). A row is replaced only if nobody has changed it since it was read, so no
change is lost. A rotation that was killed is completed by the next one.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Table, select, update

from domain.keyring import with_first, without
from domain.tenant import TenantId
from settings import Settings
from storage.integration.tables import integration_drafts, integrations
from storage.postgres.database import Database
from storage.secrets import key_check
from storage.secrets.key_file import KeyFile, new_key
from storage.secrets.vault import CannotOpen, Vault, key_ids
from storage.tenancy import tenants

BATCH_ROWS = 100
_TABLES = (integrations, integration_drafts)

Say = Callable[[str], None]


class Refused(Exception):
    """The request is refused, as secrets would be lost or a setting is missing; the message says
    what to do first."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row with sealed secrets, as it was read; `subject` is its id."""

    tenant_id: TenantId
    table: Table
    subject: UUID
    sealed: str

    @property
    def name(self) -> str:
        return f"tenant {self.tenant_id}, {self.table.name} {self.subject}"


@dataclass(slots=True)
class Progress:
    """Counts of rows: `rewrapped`, and `overtaken` (changed or removed by others after they were
    read). `shut` has a sentence for each row whose secrets could not be sealed anew."""

    rewrapped: int = 0
    overtaken: int = 0
    shut: list[str] = field(default_factory=list)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[tuple[Database, KeyFile]]:
    """Open the database and the key ring that the settings name. Raises BadKeyFile, or Refused
    without DATABASE_URL."""
    if settings.database_url is None:
        raise Refused("DATABASE_URL is not set")
    file = key_check.key_file(settings.secrets_keyring_file)
    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    try:
        yield database, file
    finally:
        await database.close()


async def add_key(database: Database, file: KeyFile) -> str:
    """Add a new key to the ring and make it active; returns its id. Raises BadKeyFile."""
    await key_check.check(database, file.current())
    kid = f"k{datetime.now(UTC):%Y%m%d%H%M%S}"
    file.change(lambda text: with_first(text, kid, new_key()))
    return kid


async def rotate(database: Database, file: KeyFile, say: Say) -> bool:
    """Seal every secret with the active key; returns whether no secret needs another key any more,
    and no row had a fault. Raises BadKeyFile."""
    await key_check.check(database, file.current())
    vault = Vault(file.current())
    active = vault.keyring.active
    while True:
        progress = await _pass(database, vault, say)
        if not progress.overtaken:
            break
    for fault in progress.shut:
        say(fault)
    used = await usage(database)
    remaining = sum(count for kid, count in used.items() if kid != active)
    say(f"active={active} remaining={remaining}")
    return remaining == 0 and not progress.shut


async def _pass(database: Database, vault: Vault, say: Say) -> Progress:
    progress, looked_at = Progress(), 0
    async for batch in _batches(database):
        changes = list(_rewrapped(vault, batch, progress))
        if changes:
            replaced = await _replace(database, changes)
            progress.rewrapped += replaced
            progress.overtaken += len(changes) - replaced
        looked_at += len(batch)
        say(f"rows={looked_at} rewrapped={progress.rewrapped}")
    return progress


def _rewrapped(vault: Vault, batch: list[Row], progress: Progress) -> Iterable[tuple[Row, str]]:
    """The rows of the batch that are not sealed with the active key, each with its new text."""
    for row in batch:
        try:
            if {*key_ids(row.sealed)} - {vault.keyring.active}:
                yield row, vault.rewrap(row.tenant_id, row.subject, row.sealed)
        except CannotOpen as error:
            progress.shut.append(f"{row.name}: {error}")


async def _replace(database: Database, changes: list[tuple[Row, str]]) -> int:
    """Replace rows of one tenant; returns how many were still as they had been read."""
    replaced = 0
    async with database.tenant(changes[0][0].tenant_id) as connection:
        for row, sealed in changes:
            unchanged = (row.table.c.id == row.subject, row.table.c.credentials == row.sealed)
            done = await connection.execute(
                update(row.table).where(*unchanged).values(credentials=sealed)
            )
            replaced += done.rowcount
    return replaced


async def verify(database: Database, file: KeyFile, say: Say) -> bool:
    """Open every secret; returns whether all could be opened. Raises BadKeyFile if the key ring
    does not belong to this database."""
    await key_check.check(database, file.current())
    vault = Vault(file.current())
    opened: Counter[str] = Counter(dict.fromkeys(vault.keyring.keys, 0))
    shut = 0
    async for batch in _batches(database):
        for row in batch:
            try:
                for name, kid, fault in vault.examine(row.tenant_id, row.subject, row.sealed):
                    opened[kid] += fault is None
                    shut += fault is not None
                    if fault is not None:
                        say(f"{row.name}, {name}: {fault}")
            except CannotOpen as error:
                shut += 1
                say(f"{row.name}: {error}")
    for kid, count in opened.items():
        say(f"{kid}: {count} secrets open")
    say(f"shut={shut}")
    return shut == 0


async def retire(database: Database, file: KeyFile, kid: str) -> None:
    """Remove a key from the ring. Raises Refused if it is active, unknown or still needed, and
    BadKeyFile."""
    ring = file.current()
    if kid == ring.active:
        raise Refused(f"{kid} is the active key: `firelater secrets rotate --new-key` first")
    if kid not in ring.keys and kid not in await key_check.known(database):
        raise Refused(f"there is no key {kid}")
    if used := (await usage(database))[kid]:
        raise Refused(f"{used} secrets need {kid}: `firelater secrets rotate` first")
    if kid in ring.keys:
        file.change(lambda text: without(text, kid))
    # This comes last: if the process dies before it, `retire` can simply be repeated.
    await key_check.forget(database, kid)


async def usage(database: Database) -> Counter[str]:
    """How many secrets need each key, by the id of the key."""
    used: Counter[str] = Counter()
    async for batch in _batches(database):
        for row in batch:
            try:
                used.update(key_ids(row.sealed))
            except CannotOpen:
                continue  # a row that cannot be read needs no key; `verify` reports it
    return used


async def _batches(database: Database) -> AsyncIterator[list[Row]]:
    """All rows with secrets, in batches; a batch has rows of one table of one tenant."""
    for tenant in await tenants.every(database):
        for table in _TABLES:
            after: UUID | None = None
            while batch := await _batch(database, tenant.id, table, after):
                yield batch
                after = batch[-1].subject


async def _batch(
    database: Database, tenant_id: TenantId, table: Table, after: UUID | None
) -> list[Row]:
    query = select(table.c.id, table.c.credentials).where(table.c.credentials.is_not(None))
    if after is not None:
        query = query.where(table.c.id > after)
    async with database.tenant(tenant_id) as connection:
        rows = await connection.execute(query.order_by(table.c.id).limit(BATCH_ROWS))
        return [Row(tenant_id, table, row.id, row.credentials) for row in rows]
