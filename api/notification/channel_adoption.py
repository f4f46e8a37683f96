"""Encrypts secrets that earlier versions stored in clear in the configs of notification channels.

Before configs were checked, a channel's config could hold a token that nothing used and every
viewer could read. Each channel is handled in a transaction of its own and is then like any other.
So a run may be killed and repeated, and several may run at once. Every API process does this when
it starts, and so does `firelater secrets adopt`.
"""

import asyncio
import logging
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.integration.config import Config, SplitConfig, masks, with_signing_secret
from domain.redaction import is_secret_name
from domain.tenant import TenantId
from integrations import CHANNELS
from integrations.channel import Channel, names_of, secret_names
from integrations.options import misplaced, read
from storage.integration import integrations as integration
from storage.integration.integrations import LogEntry
from storage.notification.routing import channel_adoption
from storage.notification.routing import channels as channel
from storage.notification.routing.channels import NotificationChannel
from storage.postgres.database import Database
from storage.postgres.rows import Values
from storage.secrets.vault import Vault
from storage.tenancy import audit, tenants

_ACTOR = "service"
_log = logging.getLogger(__name__)


async def adopt(database: Database, vault: Vault) -> int:
    """Encrypt the secrets in all tenants' channel configs; how many channels were changed."""
    options = {kind: sorted(names_of(CHANNELS[kind].options)) for kind in CHANNELS}
    count = 0
    for tenant in await tenants.every(database):
        async with database.tenant(tenant.id) as connection:
            found = await channel_adoption.with_more(connection, options)
        for id in found:
            async with database.tenant(tenant.id) as connection:
                count += await _Adoption(connection, vault, tenant.id).adopt(id)
    return count


async def adopt_quietly(database: Database, vault: Vault) -> None:
    """`adopt` in the background. A failure is logged and waits for the next start, as reads mask
    secrets that are still in a channel's config."""
    try:
        count = await adopt(database, vault)
    except Exception:
        _log.exception("could not encrypt secrets in channel configs; the next start tries again")
        return
    if count:
        _log.warning("secrets in the configs of %s notification channels are encrypted now", count)


class _Adoption:
    """Encrypts the secrets of one tenant's channels, in the caller's transaction."""

    def __init__(self, connection: AsyncConnection, vault: Vault, tenant_id: TenantId) -> None:
        self._connection, self._vault, self._tenant_id = connection, vault, tenant_id

    async def adopt(self, id: UUID) -> bool:
        """Whether the channel's config held secrets: they moved to a connection of the channel's
        own or, where the channel has an integration or cannot connect with them, were removed."""
        row = await channel.find(self._connection, id)
        kind = CHANNELS.get(row["type"]) if row else None
        if row is None or kind is None:
            return False
        own = _own(kind, row["config"])
        secret = [name for name in misplaced(kind, row["config"]) if _is_secret(kind, name)]
        if not secret:
            return False
        if row["integration_id"] is None and secret_names(kind.config) & own.keys():
            moved = [name for name in row["config"] if _name(kind, name) in own]
            row |= {"integration_id": await self._connect(kind, row, own)}
        else:
            moved = []
            await self._say_dropped(row, secret)
        await self._replace(row, {*moved, *secret})
        return True

    async def _connect(self, kind: Channel[Any], row: NotificationChannel, own: Config) -> UUID:
        """Create the connection that the channel's config describes, valid or not; its id."""
        id = await integration.new_id(self._connection)
        completed = read(kind, row["config"])[0].completing(with_signing_secret(kind, own))
        parts = SplitConfig.of(kind, completed)
        values: Values = {
            "id": id,
            "name": row["name"],
            "type": row["type"],
            "config": parts.plain,
            "credentials": self._vault.seal(self._tenant_id, id, parts.secrets),
            "credential_hints": masks(parts.secrets, {}, {}),
            "created_by": _ACTOR,
            "channel_id": row["id"],
        }
        await integration.create(self._connection, {**values, **_state(kind, completed)})
        return id

    async def _say_dropped(self, row: NotificationChannel, names: list[str]) -> None:
        """Write to the log of the channel's integration which unused members were removed."""
        detail = (
            f"removed {', '.join(names)} from the config of the channel {row['name']!r}: without"
            " effect there, and possibly secret"
        )
        if row["integration_id"] is not None:
            entry = LogEntry(level="warning", action="adopt", detail=detail, actor=_ACTOR)
            await integration.log(self._connection, row["integration_id"], entry)

    async def _replace(self, row: NotificationChannel, moved: set[str]) -> None:
        """Save the channel without the `moved` members, and remove every copy of these."""
        rest = {name: value for name, value in row["config"].items() if name not in moved}
        await channel.replace(self._connection, row | {"config": rest})
        await channel_adoption.forget(self._connection, self._tenant_id, row["id"], sorted(moved))
        action, subject = "notification_channel.adopt", f"notification_channel/{row['id']}"
        await audit.note(self._connection, self._tenant_id, _ACTOR, action, subject)


def _own(kind: Channel[Any], config: Config) -> Config:
    """The members of a channel's config that belong to a connection, by their names there."""
    names = names_of(kind.config)
    found = {_name(kind, name): value for name, value in config.items() if value is not None}
    return {name: value for name, value in found.items() if name in names}


def _name(kind: Channel[Any], name: str) -> str:
    """A member's name in a connection. Configs were not checked, so `bot_token` may stand for
    `botToken`."""
    name = kind.config.synonyms.get(name, name)
    return name if name in names_of(kind.config) else to_camel(name)


def _is_secret(kind: Channel[Any], name: str) -> bool:
    return _name(kind, name) in secret_names(kind.config) or is_secret_name(name)


def _state(kind: Channel[Any], config: Config) -> Values:
    """The columns that mark a connection with an invalid config; none if the config is valid."""
    try:
        kind.config.model_validate(config, by_alias=True, by_name=False)
    except ValidationError as error:
        places = sorted({".".join(map(str, each["loc"])) or "config" for each in error.errors()})
        said = f"its config is not valid: {', '.join(places)}"
        return {"connection_status": "misconfigured", "last_error": said}
    return {}


async def _main() -> None:
    from settings import settings
    from storage.integration import secret_rotation as rotation
    from storage.secrets.key_check import open_vault

    chosen = settings()
    async with rotation.connected(chosen) as (database, _):
        vault = await open_vault(database, chosen.secrets_keyring_file)
        print(f"adopted={await adopt(database, vault)}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_main())
