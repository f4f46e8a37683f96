"""What creating, changing and rotating write, in the caller's transaction: row, log and audit."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.audit import note
from api.auth import Caller
from api.context import Context
from api.errors import ApiError
from api.integration.config import (
    Config,
    SplitConfig,
    channel_of,
    check_resent,
    joined,
    masks,
    patched,
    placed,
    refuse,
    rotated,
    validate,
    with_signing_secret,
)
from api.integration.view import check_configured, is_draft
from domain.json_document import Json
from domain.storable import JsonObject, Text, at_most
from integrations.channel import Channel
from storage.integration import integrations as integration
from storage.integration.integrations import Integration, LogEntry
from storage.postgres.rows import Values
from storage.secrets.vault import CannotOpen

_JSON_BYTES = 64 * 2**10
_YEAR = 365 * 24 * 60  # minutes

Document = Annotated[JsonObject, at_most(_JSON_BYTES)]
Name = Annotated[Text, Field(min_length=1, max_length=255)]
Description = Annotated[Text, Field(max_length=2_000)]
Minutes = Annotated[int, Field(ge=1, le=_YEAR)]
Direction = Literal["inbound", "outbound", "both"]


# In the words of the platform's client; its table has the minutes as `sync_interval`.
_MINUTES = AliasChoices("syncInterval", "syncIntervalMinutes", "sync_interval_minutes")
_NO_COLUMNS = {"config", "credentials", "type"}  # said in columns of their own, or fixed


def without_defaults(schema: Json) -> None:
    """For `json_schema_extra`: a default is for what is made, and says nothing of a change."""
    for described in schema["properties"].values():
        described.pop("default", None)


class NewIntegration(BaseModel):
    """`config` is as the type's schema says, secrets included (`GET /v1/integrations/types`), or
    without those that are in `credentials`. Names may be written `isActive` or `is_active`.

    Without a config it is a draft: not active until it gets one.
    """

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    name: Name
    type: str
    description: Description | None = None
    config: Document = Field(default_factory=dict)
    credentials: Document = Field(default_factory=dict)
    is_active: bool = True
    sync_enabled: bool = False
    sync_interval: Minutes = Field(60, validation_alias=_MINUTES)
    sync_direction: Direction = "both"
    field_mappings: Document = Field(default_factory=dict)

    @property
    def given(self) -> Config:
        """The config with its secrets. Raises ApiError 422 for what is said in two ways."""
        return joined(self.config, self.credentials)


class IntegrationChange(NewIntegration):
    """What is left out stays as it is. In `config` null removes what it names (RFC 7396): a secret
    that is not named is kept."""

    model_config = ConfigDict(json_schema_extra=without_defaults)

    name: Name = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A row as it is now, and the secret that was made for it, to be shown this once."""

    row: Integration
    secret: str | None = None

    @property
    def shown_once(self) -> dict[str, str]:
        return {} if self.secret is None else {"secret": self.secret}


@dataclass(frozen=True, slots=True)
class IntegrationWriter:
    """Where one caller's integrations are written."""

    context: Context
    caller: Caller
    connection: AsyncConnection

    async def create(self, body: NewIntegration, channel_id: UUID | None = None) -> Written:
        """`channel_id`: the notification channel whose own it is to be, not listed."""
        channel = channel_of(body.type)
        check_sync(channel, body.sync_enabled)
        id = await integration.new_id(self.connection)
        values = body.model_dump(exclude=_NO_COLUMNS) | {"id": id, "type": body.type}
        values |= {"created_by": self.caller.key_id, "channel_id": channel_id}
        secret = None
        if body.given:
            config = self._checked(channel, {}, body)
            whole = with_signing_secret(channel, config)
            values |= self._sealed(channel, id, whole)
            secret = _made(channel, config, whole)
        else:
            values |= _off(wanted=body.is_active)
        row = await integration.create(self.connection, values)
        await self._note(id, "create", "created")
        return Written(row, secret)

    async def change(self, row: Integration, body: IntegrationChange) -> Written:
        values = body.model_dump(exclude_unset=True, exclude=_NO_COLUMNS)
        if "type" in body.model_fields_set and body.type != row["type"]:
            refuse("type_fixed", "the type of an integration cannot change", type="it is another")
        channel = channel_of(row["type"])
        check_sync(channel, body.sync_enabled)
        secret = None
        if body.given:
            before = self._opened(row)
            config = self._checked(channel, before, body)
            whole = with_signing_secret(channel, config)
            values = {**_switched(row), **values}
            values |= self._sealed(channel, row["id"], whole, (before, row["credential_hints"]))
            secret = _made(channel, config, whole)
        elif is_draft(row) and "is_active" in values:
            if body.is_active:
                check_configured(row)
            values |= _off(wanted=False)
        changed = await integration.change(self.connection, row["id"], values)
        await self._note(row["id"], "update", f"changed: {', '.join(_named(body))}")
        return Written(changed, secret)

    async def rotate(self, row: Integration) -> Written:
        """A new signing secret; the one before signs along for a day."""
        check_configured(row)
        channel, before = channel_of(row["type"]), self._opened(row)
        config = rotated(channel, before)
        values = self._sealed(channel, row["id"], config, (before, row["credential_hints"]))
        changed = await integration.change(self.connection, row["id"], values)
        await self._note(row["id"], "rotate_secret", "a new signing secret")
        return Written(changed, _made(channel, before, config))

    def _checked(self, channel: Channel[Any], before: Config, body: NewIntegration) -> Config:
        """What the config is to be. Raises ApiError 422."""
        with placed(body.credentials):
            config = validate(channel, patched(channel, before, body.given), self.context.policy)
            check_resent(channel, before, config, body.given)
        return config

    def _opened(self, row: Integration) -> Config:
        """The config with its secrets. Raises ApiError 409 if they cannot be opened."""
        try:
            secrets = self.context.vault.open(self.caller.tenant_id, row["id"], row["credentials"])
        except CannotOpen as error:
            raise ApiError("secrets_unreadable", f"its secrets stay shut: {error}") from error
        return {**row["config"], **secrets}

    def _sealed(
        self,
        channel: Channel[Any],
        id: UUID,
        config: Config,
        earlier: tuple[Config, Config] = ({}, {}),
    ) -> Values:
        """A config as its columns. `earlier`: the one before, and its hints, of which those stay
        whose secret is the same."""
        parts = SplitConfig.of(channel, config)
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
        entry = LogEntry(level="info", action=action, detail=detail, actor=actor)
        await integration.log(self.connection, id, entry)
        await note(self.connection, self.caller, action, "integration", id)


def check_sync(channel: Channel[Any], enabled: bool) -> None:
    """Raises ApiError 422: what is told things has nothing to keep in step with."""
    if enabled:
        why = f"{channel.title} has no sync: leave it out, or false"
        refuse(
            "sync_unsupported", f"{channel.title} is told things, and has no sync", syncEnabled=why
        )


def _off(*, wanted: bool) -> Values:
    """A draft is off; `disabled` keeps that it is to be so with a config, too."""
    status = "untested" if wanted else "disabled"
    return {"is_active": False, "connection_status": status}


def _switched(row: Integration) -> Values:
    """A draft that gets its config is switched on with it, unless it was made to be off."""
    if not is_draft(row):
        return {}
    return {"is_active": row["connection_status"] != "disabled"}


def _made(channel: Channel[Any], before: Config, after: Config) -> str | None:
    """The signing secret that a config got although its owner did not give it."""
    if channel.signing is None:
        return None
    secret: str | None = after.get(channel.signing.member)
    return secret if secret != before.get(channel.signing.member) else None


def _named(body: IntegrationChange) -> list[str]:
    """What a change says something of."""
    names = body.model_fields_set - _NO_COLUMNS
    return sorted(names | {f"config.{name}" for name in body.given})
