"""Creates and changes integrations and rotates their signing secrets, in the caller's transaction.

Each change writes the integration's row, an entry of its log and one of the audit log.
"""

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
    pointing_at,
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


# FireLater's own client names the minutes in several ways; its table calls them `sync_interval`.
_MINUTES = AliasChoices("syncInterval", "syncIntervalMinutes", "sync_interval_minutes")
_NO_COLUMNS = {"config", "credentials", "type"}  # stored in columns of their own, or never changed


def without_defaults(schema: Json) -> None:
    """For `json_schema_extra`: remove the defaults, which hold when creating, not when changing."""
    for described in schema["properties"].values():
        described.pop("default", None)


class NewIntegration(BaseModel):
    """A new integration: a connection to a vendor.

    `config` has the form that `GET /v1/integrations/types` shows for the type, secrets included;
    secrets may stand in `credentials` instead. Member names may be written as `isActive` or as
    `is_active`. Without a config the integration is a draft, and not active until it gets one.
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
        """The config with its secrets. Raises ApiError 422 if `config` and `credentials` give one
        member different values."""
        return joined(self.config, self.credentials)


class IntegrationChange(NewIntegration):
    """A change of an integration: members that are left out keep their value.

    `config` is merged into the previous one (RFC 7396): null removes a member, and members that are
    left out, secrets among them, are kept.
    """

    model_config = ConfigDict(json_schema_extra=without_defaults)

    name: Name = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """An integration as it is now, and the signing secret generated for it, if any, which is shown
    in this answer only."""

    row: Integration
    secret: str | None = None

    @property
    def shown_once(self) -> dict[str, str]:
        """The members that this answer has beside those that reads show."""
        return {} if self.secret is None else {"secret": self.secret}


@dataclass(frozen=True, slots=True)
class IntegrationWriter:
    """Writes integrations for one caller, in one transaction."""

    context: Context
    caller: Caller
    connection: AsyncConnection

    async def create(self, body: NewIntegration, channel_id: UUID | None = None) -> Written:
        """Create an integration; with `channel_id`, as that notification channel's own connection,
        which lists do not show. Raises ApiError 422."""
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
        """Change an integration that the caller holds locked. Raises ApiError 409, 422."""
        values = body.model_dump(exclude_unset=True, exclude=_NO_COLUMNS)
        if "type" in body.model_fields_set and body.type != row["type"]:
            why = f"the integration is of type {row['type']}"
            refuse("type_fixed", "the type of an integration cannot change", type=why)
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
        """Generate a new signing secret; the previous one also signs for 24 hours. Raises ApiError
        409 if the integration is a draft, or its type has no signing secret."""
        check_configured(row)
        channel, before = channel_of(row["type"]), self._opened(row)
        config = rotated(channel, before)
        values = self._sealed(channel, row["id"], config, (before, row["credential_hints"]))
        changed = await integration.change(self.connection, row["id"], values)
        await self._note(row["id"], "rotate_secret", "a new signing secret")
        return Written(changed, _made(channel, before, config))

    def _checked(self, channel: Channel[Any], before: Config, body: NewIntegration) -> Config:
        """The new config, validated. Raises ApiError 422."""
        with pointing_at(body.credentials):
            config = validate(channel, patched(channel, before, body.given), self.context.policy)
            check_resent(channel, before, config, body.given)
        return config

    def _opened(self, row: Integration) -> Config:
        """The stored config with its secrets. Raises ApiError 409 if they cannot be decrypted."""
        try:
            secrets = self.context.vault.open(self.caller.tenant_id, row["id"], row["credentials"])
        except CannotOpen as error:
            detail = f"the secrets cannot be decrypted: {error}"
            raise ApiError("secrets_unreadable", detail) from error
        return {**row["config"], **secrets}

    def _sealed(
        self,
        channel: Channel[Any],
        id: UUID,
        config: Config,
        earlier: tuple[Config, Config] = ({}, {}),
    ) -> Values:
        """The columns of a config. `earlier` is the previous config and its hints: a secret that is
        the same keeps its hint."""
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
        """Write to the integration's log and to the audit log; `detail` must name no values."""
        actor = self.caller.key_id
        entry = LogEntry(level="info", action=action, detail=detail, actor=actor)
        await integration.log(self.connection, id, entry)
        await note(self.connection, self.caller, action, "integration", id)


def check_sync(channel: Channel[Any], enabled: bool) -> None:
    """Raises ApiError 422 if synchronisation is enabled: integrations of all types only send."""
    if enabled:
        detail = f"{channel.title} only gets notifications; it has no sync"
        refuse("sync_unsupported", detail, syncEnabled="leave it out, or set it to false")


def _off(*, wanted: bool) -> Values:
    """The columns of a draft, which is never active. `disabled` remembers that it is to stay off
    when it gets a config."""
    status = "untested" if wanted else "disabled"
    return {"is_active": False, "connection_status": status}


def _switched(row: Integration) -> Values:
    """The columns of a draft that gets its config: it becomes active, unless it was to stay off."""
    if not is_draft(row):
        return {}
    return {"is_active": row["connection_status"] != "disabled"}


def _made(channel: Channel[Any], before: Config, after: Config) -> str | None:
    """The signing secret that was generated for a config; None if none was."""
    if channel.signing is None:
        return None
    secret: str | None = after.get(channel.signing.member)
    return secret if secret != before.get(channel.signing.member) else None


def _named(body: IntegrationChange) -> list[str]:
    """The names of the members that a change sets, for the log."""
    names = body.model_fields_set - _NO_COLUMNS
    return sorted(names | {f"config.{name}" for name in body.given})
