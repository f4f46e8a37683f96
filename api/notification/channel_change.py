"""Creates, changes and deletes notification channels, in the caller's transaction.

A channel's own connection is an integration that has the channel's name and is not listed among
the integrations. It is written together with its channel.
"""

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.audit import note
from api.auth import Caller
from api.context import Context
from api.errors import ApiError, not_found
from api.integration.change import (
    Document,
    IntegrationChange,
    IntegrationWriter,
    Name,
    NewIntegration,
    Written,
    without_defaults,
)
from api.integration.config import Config, channel_of, merged, refuse
from api.notification.channel_config import (
    Split,
    check_admin,
    check_idle,
    checked_options,
    refuse_both,
    split,
    written,
)
from domain.json_document import Json
from integrations.channel import ChannelOptions, names_of
from integrations.options import read
from storage.integration import integrations as integration
from storage.integration.integrations import Integration
from storage.notification import parked as waiting
from storage.notification.routing import channels as channel
from storage.notification.routing import preferences as preference
from storage.notification.routing.channels import NotificationChannel

_KIND = "notification_channel"  # in the audit log


class NewChannel(BaseModel):
    """A new notification channel.

    `config` says where and to whom, such as `{"channel": "#ops"}`, by the `options_schema` of the
    type. Either `integration_id` names the integration to send through; or `config` also says how
    to connect, secrets included, by the `config_schema` of the type: the channel then gets a
    connection of its own, which needs a key of the role admin.
    """

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)

    name: Name
    type: str
    integration_id: UUID | None = None
    config: Document = Field(default_factory=dict)
    is_default: bool = False
    is_active: bool = True


class ChannelChange(NewChannel):
    """A change of a notification channel: members that are left out keep their value.

    A `config` replaces the previous one as a whole. Only that of a channel with a connection of its
    own is merged into the previous one (RFC 7396): null removes a member, and members that are left
    out, secrets among them, are kept.
    """

    model_config = ConfigDict(json_schema_extra=without_defaults)

    name: Name = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change led to: a generated secret, to be shown in this answer only, and the requests
    whose workflows are to be woken."""

    shown_once: dict[str, str]
    woken: set[UUID]


@dataclass(frozen=True, slots=True)
class ChannelWriter:
    """Writes notification channels for one caller, in one transaction."""

    context: Context
    caller: Caller
    connection: AsyncConnection

    async def create(self, body: NewChannel) -> tuple[UUID, Changed]:
        """The new channel's id, and what to show. Raises ApiError 403, 422."""
        kind = channel_of(body.type)
        parts = split(kind, body.config)
        options = checked_options(kind, parts.options)
        await self._check_integration(body.integration_id, body.type, options)
        values = body.model_dump() | {"config": written(options)}
        row = await channel.create(self.connection, values)
        made = await self._connect(row, parts) if parts.own else None
        await self._note("create", row["id"])
        return row["id"], Changed(made.shown_once if made else {}, set())

    async def change(self, row: NotificationChannel, body: ChannelChange) -> Changed:
        """Change a channel that the caller holds locked. Raises ApiError 403, 409, 422."""
        given = body.model_dump(exclude_unset=True)
        if given.get("type", row["type"]) != row["type"]:
            why = f"the channel is of type {row['type']}"
            refuse("type_fixed", "the type of a channel cannot change", type=why)
        own = await self._own(row)
        if own is None:
            done = await self._change_plain(_changed(row, given), body)
        else:
            done = await self._change_own(row, own, body)
        await self._note("update", row["id"])
        return done

    async def delete(self, id: UUID, *, force: bool) -> tuple[list[str], set[UUID]]:
        """Delete the channel; the users from whose preferences it was removed, and the notification
        requests to wake.

        Raises ApiError 404 without such a channel, 403 if only an admin may delete it, 409 if users
        have chosen it and `force` is not set.
        """
        row = await channel.find(self.connection, id)
        own = row and await self._own(row)
        if row is None:
            raise not_found("notification channel")
        woken: set[UUID] = set()
        if own is not None:
            check_admin(self.caller)
            reason = "the channel was deleted together with its own connection"
            woken = await waiting.cancel(self.connection, own["id"], reason)
        await channel.remove(self.connection, id)  # from here on nobody can choose it
        users = await preference.naming(self.connection, id)
        if users and not force:
            raise _in_use(len(users))
        for user_id in users:
            await preference.drop_channel(self.connection, user_id, id)
            kind = "notification_preferences"
            await note(self.connection, self.caller, "update", kind, user_id)
        await self._note("delete", id)
        return users, woken

    async def _own(self, row: NotificationChannel) -> Integration | None:
        """The channel's own connection, locked; None if it has none."""
        if row["integration_id"] is None:
            return None
        found = await integration.find(self.connection, row["integration_id"], lock=True)
        return found if found and found["channel_id"] == row["id"] else None

    async def _change_plain(self, row: NotificationChannel, body: ChannelChange) -> Changed:
        """Change a channel without a connection of its own; `row` is its new state."""
        kind = channel_of(row["type"])
        parts, options = split(kind, body.config), read(kind, row["config"])[0]
        if "config" in body.model_fields_set:
            options = checked_options(kind, parts.options)
            row = row | {"config": written(options)}
        if {"config", "integration_id"} & body.model_fields_set:
            await self._check_integration(row["integration_id"], row["type"], options)
        await channel.replace(self.connection, row)
        woken = await channel.route_refused_anew(self.connection, row["id"])
        if not parts.own:
            return Changed({}, woken)
        return Changed((await self._connect(row, parts)).shown_once, woken)

    async def _change_own(
        self, row: NotificationChannel, own: Integration, body: ChannelChange
    ) -> Changed:
        """Change a channel with a connection of its own, and that connection if necessary."""
        given = body.model_dump(exclude_unset=True, exclude={"config"})
        if given.get("integration_id") not in (None, own["id"]):
            detail = "the channel has its own connection: use another channel for this integration"
            refuse("config_of_integration", detail, integration_id=detail)
        kind = channel_of(row["type"])
        parts = split(kind, body.config, has_own=True)
        if body.config:
            given["config"] = self._options(row, own, parts)
        given["integration_id"] = own["id"]
        changed = _changed(row, given)
        await channel.replace(self.connection, changed)
        changes: Config = {"config": parts.own} if parts.own else {}
        if given.get("name", row["name"]) != row["name"]:
            changes["name"] = given["name"]
        if given.get("is_active") and not own["is_active"]:  # also if the vendor disabled it
            changes["is_active"] = True
        return await self._changed(own, changed, changes)

    def _options(self, row: NotificationChannel, own: Integration, parts: Split) -> Config:
        """The new options of a channel with a connection of its own. Raises ApiError 422."""
        kind = channel_of(row["type"])
        # Configs saved before they were checked may have other members, which have no effect.
        known = names_of(kind.options) & row["config"].keys()
        before = {name: row["config"][name] for name in known}
        options = checked_options(kind, merged(before, parts.options))
        connection = {**own["config"], **own["credential_hints"], **parts.own}
        check_idle(options, (name for name in connection if connection[name] is not None))
        return written(options)

    async def _changed(
        self, own: Integration, row: NotificationChannel, changes: Config
    ) -> Changed:
        """Make the `changes` to the channel's own connection, and retry what waited for them."""
        woken = await channel.route_refused_anew(self.connection, row["id"])
        if not changes:
            return Changed({}, woken)
        if "config" in changes:
            check_admin(self.caller)
        writer = IntegrationWriter(self.context, self.caller, self.connection)
        done = await writer.change(own, IntegrationChange.model_validate(changes))
        woken |= await waiting.wake(self.connection, own["id"])
        return Changed(done.shown_once, woken)

    async def _connect(self, row: NotificationChannel, parts: Split) -> Written:
        """Give the channel a connection of its own.

        Raises ApiError 403 unless an admin calls, 422 for a config that does not fit.
        """
        if row["integration_id"] is not None:
            refuse_both(parts.own)
        check_admin(self.caller)
        kind = channel_of(row["type"])
        options = checked_options(kind, parts.options)
        check_idle(options, parts.own)
        config = options.completing(parts.own)
        writer = IntegrationWriter(self.context, self.caller, self.connection)
        body = NewIntegration(name=row["name"], type=row["type"], config=config)
        made = await writer.create(body, row["id"])
        await channel.connect(self.connection, row["id"], made.row["id"])
        return made

    async def _check_integration(
        self, integration_id: UUID | None, type: str, options: ChannelOptions
    ) -> None:
        """Raises ApiError 422 unless the integration exists and the channel can send through it."""
        if integration_id is None:
            return
        found = await integration.find(self.connection, integration_id, lock=True)
        if found is None:
            detail = "there is no such integration"
            refuse("unknown_integration", detail, integration_id=detail)
        if found["channel_id"] is not None:
            detail = "this integration is another channel's own connection"
            refuse("belongs_to_channel", detail, integration_id=detail)
        if found["type"] != type:
            detail = f"the integration is of type {found['type']}"
            refuse("type_mismatch", "channel and integration must be of the same type", type=detail)
        check_idle(options, {**found["config"], **found["credential_hints"]})

    async def _note(self, action: str, id: UUID) -> None:
        await note(self.connection, self.caller, action, _KIND, id)


def _changed(row: NotificationChannel, given: Json) -> NotificationChannel:
    """The row with the `given` columns, which the model of the request has checked."""
    return cast("NotificationChannel", {**row, **given})


def _in_use(users: int) -> ApiError:
    who = "1 user has" if users == 1 else f"{users} users have"
    detail = (
        f"{who} chosen this channel in their preferences: change those, or delete the channel with"
        " ?force=true, which removes it from them (users with no other channel are then notified"
        " through the default channels)"
    )
    return ApiError("channel_in_use", detail, users=users)
