"""The config of a notification channel, on its way in and out.

It holds options, such as where to post; and, where the channel has a connection of its own, what
an integration's config holds: that is kept as an integration's, in one that nobody lists.
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
from storage.notification.channels import SeenChannel

_HIDDEN = {"set": True}  # what reads show of a value that may be a secret


@dataclass(frozen=True, slots=True)
class Split:
    """A config taken apart; `own` is empty unless the channel has a connection of its own."""

    options: Config
    own: Config


def split(channel: Channel[Any], given: Config, *, has_own: bool = False) -> Split:
    """What both models have (an e-mail's `to`) is the connection's, if there is one of its own."""
    theirs, options = names_of(channel.config), names_of(channel.options)
    if not has_own and not given.keys() & (theirs - options):
        return Split(given, {})
    mine = given.keys() & (options - theirs)
    return Split(
        {name: given[name] for name in given if name in mine},
        {name: given[name] for name in given if name not in mine},
    )


def checked_options(channel: Channel[Any], given: Config) -> ChannelOptions:
    """Raises ApiError 422 that points at what is no option, or none that can be."""
    try:
        return channel.options.model_validate(given, by_alias=True, by_name=False, context=SAVING)
    except ValidationError as error:
        faults = validation_errors(error)
        errors = [{**fault, "pointer": f"/config{fault['pointer']}"} for fault in faults]
        raise ApiError("config_invalid", _takes(channel), errors=errors) from None


def check_idle(options: ChannelOptions, connection: Iterable[str]) -> None:
    """Raises ApiError 422 that points at options which say nothing to such an integration."""
    faults = options.idle(frozenset(connection))
    if faults:
        errors = [{"pointer": f"/config/{name}", "detail": faults[name]} for name in faults]
        raise ApiError("config_invalid", "this integration takes no such option", errors=errors)


def written(options: ChannelOptions) -> Config:
    """As clients write them."""
    given = options.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
    found: Config = to_jsonable_python(given)
    return found


def _takes(channel: Channel[Any]) -> str:
    names = ", ".join(sorted(names_of(channel.options)))
    return f"the config of a channel of type {channel.kind} takes {names or 'no options'}"


def refuse_both(own: Config) -> NoReturn:
    """ApiError 422: a channel has an integration, or a connection of its own."""
    detail = (
        "this is for the integration that the channel names: change it there, or leave"
        " integration_id out, and the channel has a connection of its own"
    )
    errors = [{"pointer": pointer(("config", name)), "detail": detail} for name in sorted(own)]
    raise ApiError("config_of_integration", detail, errors=errors)


def check_admin(caller: Caller) -> None:
    """Raises ApiError 403: what holds secrets is written by admins, as integrations are."""
    if caller.role not in ADMIN:
        detail = "a channel with a connection of its own is for keys of the role admin"
        raise ApiError("forbidden", detail)


def to_response(row: SeenChannel) -> Json:
    """A channel as reads show it: no secret, whatever was once saved
    in it."""
    channel = CHANNELS.get(row["type"])
    hidden = ("own_config", "own_hints", "integration_active")
    answer: Json = {name: value for name, value in row.items() if name not in hidden}
    config = {name: _visible(channel, name, row["config"][name]) for name in row["config"]}
    config |= {**(row["own_config"] or {}), **(row["own_hints"] or {})}
    answer |= condition(row["connection_status"])
    return answer | {"config": config, "warnings": list(_warnings(channel, row))}


def _visible(channel: Channel[Any] | None, name: str, value: Any) -> Any:
    """The value of what is known to be no secret."""
    if channel is None:
        return _HIDDEN
    plain = names_of(channel.options) | (names_of(channel.config) - secret_names(channel.config))
    return value if name in plain else _HIDDEN


def _warnings(channel: Channel[Any] | None, row: SeenChannel) -> list[str]:
    """Why nothing, or not what is meant, goes through the channel."""
    found = []
    if row["integration_id"] is None:
        found.append(
            "nothing is sent through this channel: it has no integration. Name one as"
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
        found.append(f"{', '.join(without)}: without effect, as {_takes(channel)}")
    return found
