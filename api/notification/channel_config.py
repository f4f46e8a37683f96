"""Checks the config of a notification channel, and shows it without secrets.

The config holds options, such as where to post. If the channel has a connection of its own, it also
holds the config of that connection, which is stored in an integration that lists do not show.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from api.auth import ADMIN, Caller
from api.errors import ApiError, pointer, validation_errors
from api.integration.config import Config
from api.integration.view import condition
from domain.json_document import Json
from integrations import CHANNELS
from integrations.channel import SAVING, Channel, ChannelOptions, names_of, secret_names
from integrations.options import misplaced, read
from storage.notification.routing.channels import SeenChannel

_HIDDEN = {"set": True}  # shown in place of a value that may be a secret


@dataclass(frozen=True, slots=True)
class Split:
    """A channel's config in two: its options, and the config of its own connection, if any."""

    options: Config
    own: Config


def split(channel: Channel[Any], given: Config, *, has_own: bool = False) -> Split:
    """Split a channel's config. A member that both models have, such as the `to` of e-mail, goes to
    the channel's own connection if there is one."""
    theirs, options = names_of(channel.config), names_of(channel.options)
    if not has_own and not given.keys() & (theirs - options):
        return Split(given, {})
    mine = given.keys() & (options - theirs)
    return Split(
        {name: given[name] for name in given if name in mine},
        {name: given[name] for name in given if name not in mine},
    )


def checked_options(channel: Channel[Any], given: Config) -> ChannelOptions:
    """The options, validated. Raises ApiError 422 that points at each unknown or invalid option."""
    try:
        return channel.options.model_validate(given, by_alias=True, by_name=False, context=SAVING)
    except ValidationError as error:
        faults = validation_errors(error)
        errors = [{**fault, "pointer": f"/config{fault['pointer']}"} for fault in faults]
        raise ApiError("config_invalid", _takes(channel), errors=errors) from None


def check_idle(options: ChannelOptions, connection: Iterable[str]) -> None:
    """Raises ApiError 422 that points at options without effect for an integration whose config has
    the members `connection`."""
    faults = options.idle(frozenset(connection))
    if faults:
        errors = [{"pointer": f"/config/{name}", "detail": faults[name]} for name in faults]
        raise ApiError("config_invalid", "these options are without effect here", errors=errors)


def written(options: ChannelOptions) -> Config:
    """The options as JSON, under the names that clients use."""
    given = options.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
    found: Config = to_jsonable_python(given)
    return found


def _takes(channel: Channel[Any]) -> str:
    """A sentence that names the options of the channel's type."""
    names = ", ".join(sorted(names_of(channel.options)))
    return f"the config of a channel of type {channel.kind} takes {names or 'no options'}"


def refuse_both(own: Config) -> NoReturn:
    """Raises ApiError 422: a channel cannot have both an integration and its own connection."""
    detail = (
        "the channel names an integration, which says how to connect: change it there, or leave"
        " integration_id out to give the channel a connection of its own"
    )
    errors = [{"pointer": pointer(("config", name)), "detail": detail} for name in sorted(own)]
    raise ApiError("config_of_integration", detail, errors=errors)


def check_admin(caller: Caller) -> None:
    """Raises ApiError 403 unless the caller is an admin: a channel's own connection holds secrets,
    as an integration does."""
    if caller.role not in ADMIN:
        detail = "only a key of the role admin may write a channel's own connection"
        raise ApiError("forbidden", detail)


def to_response(row: SeenChannel) -> Json:
    """A channel as reads show it. Secrets are masked, also those that earlier versions stored in
    its config."""
    channel = CHANNELS.get(row["type"])
    hidden = ("own_config", "own_hints", "integration_active")
    answer: Json = {name: value for name, value in row.items() if name not in hidden}
    config = {name: _visible(channel, name, row["config"][name]) for name in row["config"]}
    config |= {**(row["own_config"] or {}), **(row["own_hints"] or {})}
    answer |= condition(row["connection_status"])
    return answer | {"config": config, "warnings": list(_warnings(channel, row))}


def _visible(channel: Channel[Any] | None, name: str, value: Any) -> Any:
    """The value, or a mask unless the type declares the member and it is not a secret."""
    if channel is None:
        return _HIDDEN
    plain = names_of(channel.options) | (names_of(channel.config) - secret_names(channel.config))
    return value if name in plain else _HIDDEN


def _warnings(channel: Channel[Any] | None, row: SeenChannel) -> list[str]:
    """Sentences: why nothing is sent through the channel, or which members have no effect."""
    found = []
    if row["integration_id"] is None:
        found.append(
            "nothing is sent through this channel: it has no integration. Name one in"
            " integration_id, or say in config how to connect"
        )
    elif not row["integration_active"]:
        found.append("nothing is sent through this channel: its integration is switched off")
    if channel is None:
        return found
    fault = read(channel, row["config"])[1]
    if fault is not None:
        found.append(f"nothing is sent through this channel: its config is not valid: {fault}")
    without = misplaced(channel, row["config"])
    if without:
        found.append(f"{', '.join(without)}: without effect, since {_takes(channel)}")
    return found
