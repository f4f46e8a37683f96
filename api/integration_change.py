"""What creating, changing and rotating write, in the caller's transaction: row, log and audit."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.auth import Caller
from api.change import note, without_defaults
from api.context import Context
from api.errors import ApiError
from api.integration_config import (
    Config,
    Parts,
    channel_of,
    check_resent,
    checked,
    masks,
    merged,
    refuse,
    rotated,
    with_signing_secret,
)
from channels.channel import Channel
from domain.notification import Text
from domain.storable import JsonObject, at_most
from storage import integration
from storage.integration import Integration
from storage.secrets import CannotOpen

_JSON_BYTES = 64 * 2**10
_YEAR = 365 * 24 * 60  # minutes

Json = Annotated[JsonObject, at_most(_JSON_BYTES)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Description = Annotated[Text, Field(max_length=2_000)]
Minutes = Annotated[int, Field(ge=1, le=_YEAR)]
Direction = Literal["inbound", "outbound", "both"]


class NewIntegration(BaseModel):
    """`config` is as the type's schema says, secrets included (`GET /v1/integrations/types`)."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    type: str
    description: Description | None = None
    config: Json
    is_active: bool = True
    sync_enabled: bool = False
    sync_interval: Minutes = 60
    sync_direction: Direction = "both"
    field_mappings: Json = Field(default_factory=dict)


class IntegrationChange(NewIntegration):
    """What is left out stays as it is. In `config` null removes what it names (RFC 7396): a secret
    that is not named is kept."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    name: Name = ""
    type: str = ""
    config: Json = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """A row as it is now, and the secret that was made for it, to be shown this once."""

    row: Integration
    secret: str | None = None

    @property
    def shown_once(self) -> dict[str, str]:
        return {} if self.secret is None else {"secret": self.secret}


@dataclass(frozen=True, slots=True)
class Desk:
    """Where one caller's integrations are written."""

    context: Context
    caller: Caller
    connection: AsyncConnection

    async def create(self, body: NewIntegration, channel_id: UUID | None = None) -> Written:
        """`channel_id`: the notification channel whose own it is to be, not listed."""
        channel = channel_of(body.type)
        config = checked(channel, merged({}, body.config), self.context.policy)
        whole = with_signing_secret(channel, config)
        id = await integration.new_id(self.connection)
        values = body.model_dump(exclude={"config"})
        values |= {"id": id, "created_by": self.caller.key_id, "channel_id": channel_id}
        row = await integration.create(self.connection, values | self._sealed(channel, id, whole))
        await self._note(id, "create", "created")
        return Written(row, _made(config, whole))

    async def change(self, row: Integration, body: IntegrationChange) -> Written:
        values = body.model_dump(exclude_unset=True, exclude={"config", "type"})
        if "type" in body.model_fields_set and body.type != row["type"]:
            refuse("type_fixed", "the type of an integration cannot change", type="it is another")
        secret = None
        if body.config:
            channel, before = channel_of(row["type"]), self._opened(row)
            config = checked(channel, merged(before, body.config), self.context.policy)
            check_resent(channel, before, config, body.config)
            whole = with_signing_secret(channel, config)
            values |= self._sealed(channel, row["id"], whole, (before, row["credential_hints"]))
            secret = _made(config, whole)
        changed = await integration.change(self.connection, row["id"], values)
        await self._note(row["id"], "update", f"changed: {', '.join(_named(body))}")
        return Written(changed, secret)

    async def rotate(self, row: Integration) -> Written:
        """A new signing secret; the one before signs along for a day."""
        channel, before = channel_of(row["type"]), self._opened(row)
        config = rotated(channel, before)
        values = self._sealed(channel, row["id"], config, (before, row["credential_hints"]))
        changed = await integration.change(self.connection, row["id"], values)
        await self._note(row["id"], "rotate_secret", "a new signing secret")
        return Written(changed, _made(before, config))

    def _opened(self, row: Integration) -> Config:
        """The config with its secrets. Raises ApiError 409 if they cannot be opened."""
        try:
            secrets = self.context.vault.open(self.caller.tenant_id, row["id"], row["credentials"])
        except CannotOpen as error:
            raise ApiError(409, "secrets_unreadable", f"its secrets stay shut: {error}") from error
        return {**row["config"], **secrets}

    def _sealed(
        self,
        channel: Channel[Any],
        id: UUID,
        config: Config,
        earlier: tuple[Config, Config] = ({}, {}),
    ) -> Integration:
        """A config as its columns. `earlier`: the one before, and its hints, of which those stay
        whose secret is the same."""
        parts = Parts.of(channel, config)
        return {
            "config": parts.plain,
            "credentials": self.context.vault.seal(self.caller.tenant_id, id, parts.secrets),
            "credential_hints": masks(parts.secrets, *earlier),
            "connection_status": "untested",
            "last_error": None,
            "places": {},
        }

    async def _note(self, id: UUID, action: str, detail: str) -> None:
        """For the integration's log and for the audit log; `detail` names no values."""
        actor = self.caller.key_id
        entry = {"level": "info", "action": action, "detail": detail, "actor": actor}
        await integration.log(self.connection, id, entry)
        await note(self.connection, self.caller, action, "integration", id)


def _made(before: Config, after: Config) -> str | None:
    """The signing secret that a config got although its owner did not give it."""
    secret: str | None = after.get("secret")
    return secret if secret != before.get("secret") else None


def _named(body: IntegrationChange) -> list[str]:
    """What a change says something of."""
    names = body.model_fields_set - {"config", "type"}
    return sorted(names | {f"config.{name}" for name in body.config})
