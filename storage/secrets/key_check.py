"""Checks that the key ring has the keys that this database's secrets are sealed with.

The database holds a check value for every key, encrypted with that key. A process whose ring lacks
a key, or has another key under the same id, ends at its start. Otherwise it would fail with each
secret, and seal secrets that other processes cannot open.
"""

from pathlib import Path

from cryptography.exceptions import InvalidTag
from sqlalchemy import text

from domain.keyring import Keyring
from storage.postgres.database import Database
from storage.secrets.key_file import BadKeyFile, KeyFile
from storage.secrets.vault import Vault, decrypt, encrypt, framed

_ADD = text(
    "insert into public.secret_checks (kid, value) values (:kid, :value) on conflict do nothing"
)
_ALL = text("select kid, value from public.secret_checks order by kid")
_REMOVE = text("delete from public.secret_checks where kid = :kid")


async def open_vault(database: Database, keyring_file: Path | None) -> Vault:
    """The vault of this process. Raises BadKeyFile if the key ring is missing, unreadable, or does
    not belong to this database."""
    file = key_file(keyring_file)
    await check(database, file.current())
    return Vault(file.current(), file.current)


def key_file(path: Path | None) -> KeyFile:
    """The key ring at `path` (SECRETS_KEYRING_FILE). Raises BadKeyFile if the setting is missing or
    the file cannot be used."""
    if path is None:
        raise BadKeyFile(
            "SECRETS_KEYRING_FILE is not set: without a key no secret can be kept"
            " (docs/deployment.md says how to make one)"
        )
    return KeyFile(path)


async def check(database: Database, keyring: Keyring) -> None:
    """Store check values of new keys, and compare known keys with theirs. Raises BadKeyFile."""
    async with database.anonymous() as connection:
        for kid, key in keyring.keys.items():
            await connection.execute(_ADD, {"kid": kid, "value": encrypt(key, b"", _bound(kid))})
        values = {row.kid: row.value for row in await connection.execute(_ALL)}
        faults = [fault for kid in values if (fault := _fault(kid, values[kid], keyring))]
        if faults:
            raise BadKeyFile("; ".join(faults))  # which rolls back the check values added here


async def known(database: Database) -> set[str]:
    """The ids of all keys that this database was used with, except retired ones."""
    async with database.anonymous() as connection:
        return {row.kid for row in await connection.execute(_ALL)}


async def forget(database: Database, kid: str) -> None:
    """Delete the check value of a retired key, so that the ring need not have the key any more."""
    async with database.owner() as connection:
        await connection.execute(_REMOVE, {"kid": kid})


def _fault(kid: str, value: str, keyring: Keyring) -> str | None:
    if kid not in keyring.keys:
        return f"the key ring lacks the key {kid!r} that this database is used with"
    try:
        decrypt(keyring.keys[kid], value, _bound(kid))
    except (InvalidTag, ValueError):
        return f"the key {kid!r} of the key ring is not the {kid!r} of this database"
    return None


def _bound(kid: str) -> bytes:
    return framed("itsm-secret-check-v1", kid)
