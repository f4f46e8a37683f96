"""Checks the config of an integration, separates its secrets, and masks them for reads.

A config here has the member names that clients use, secrets included, and no defaults: only the
members that were given.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from pydantic import SecretStr, ValidationError
from pydantic_core import to_jsonable_python

from api.errors import ApiError, pointer, validation_errors
from domain.json_document import Json
from egress.guard import Refused, check_server, parse_target
from egress.policy import Policy
from integrations import CHANNELS
from integrations.channel import SAVING, Channel, ChannelConfig, secret_names

Config = Json

_HINT_CHARS = 4
_SHORTEST_HINTED = 16  # four characters of a shorter secret would reveal too much of it


def channel_of(type: str) -> Channel[Any]:
    """The type of integration of this name. Raises ApiError 422 `unknown_type`."""
    if type not in CHANNELS:
        known = ", ".join(sorted(CHANNELS))
        refuse("unknown_type", "there is no such type of integration", type=f"one of: {known}")
    return CHANNELS[type]


def refuse(code: str, detail: str, **faults: str) -> NoReturn:
    """Raises ApiError 422 that points at each member at fault: `faults` has its name and why."""
    raise _refusal(code, detail, [((name,), why) for name, why in faults.items()])


def _refusal(code: str, detail: str, faults: list[tuple[tuple[str, ...], str]]) -> ApiError:
    errors = [{"pointer": pointer(member), "detail": why} for member, why in faults]
    return ApiError(code, detail, 422, errors=errors)


def validate(channel: Channel[Any], given: Config, policy: Policy) -> Config:
    """The config in its canonical form. Raises ApiError 422 that points at each fault."""
    names = secret_names(channel.config)
    masked = [("config", name) for name in sorted(names & given.keys()) if _has_mask(given[name])]
    if masked:
        detail = "a mask is not a secret: leave the member out to keep the stored secret"
        raise _refusal("secret_mask", detail, [(member, "this is a mask") for member in masked])
    try:
        config: ChannelConfig = channel.config.model_validate(
            given, by_alias=True, by_name=False, context=SAVING
        )
    except ValidationError as error:
        faults = validation_errors(error)
        errors = [{**fault, "pointer": f"/config{fault['pointer']}"} for fault in faults]
        detail = f"this is not a valid config for {channel.title}"
        raise ApiError("config_invalid", detail, errors=errors) from None
    _check_targets(config, policy)
    return _written(config, unset=False)


def _has_mask(value: Any) -> bool:
    """Whether the value is, or contains, the mask that reads show in place of a secret."""
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("set"), bool) or any(map(_has_mask, value.values()))


def _check_targets(config: ChannelConfig, policy: Policy) -> None:
    """Raises ApiError 422 for a URL or server that may not be called. Host names are not resolved
    here, but before each call."""
    for url in config.urls():
        with _refused_at(config, url):
            parse_target(url, policy)
    for host, port in config.servers():
        with _refused_at(config, host):
            check_server(host, port, policy)


@contextmanager
def _refused_at(config: ChannelConfig, value: str) -> Iterator[None]:
    """Turn the guard's refusal into ApiError 422 that points at the member with this value."""
    try:
        yield
    except Refused as refused:
        written = _written(config, unset=True)
        names = [name for name in written if written[name] == value]
        fault = (("config", *names[:1]), refused.detail)
        raise _refusal(refused.code, refused.detail, [fault]) from None


def _written(config: ChannelConfig, *, unset: bool) -> Config:
    """The config under the names that clients use, secrets in clear; `unset` adds the defaults of
    members that were not given."""
    fields = config.model_dump(by_alias=True, exclude_unset=not unset)
    written: Config = to_jsonable_python({name: _opened(fields[name]) for name in fields})
    return written


def _opened(value: Any) -> Any:
    """The value with every secret in it in clear."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Mapping():
            return {name: _opened(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_opened(inner) for inner in value]
    return value


def patched(channel: Channel[Any], config: Config, patch: Config) -> Config:
    """The config with a merge patch applied, members that have synonyms under their first name.
    Raises ApiError 422."""
    return merged(_named(channel, config), _named(channel, patch))


def _named(channel: Channel[Any], config: Config) -> Config:
    """The config with synonyms of members replaced by their first names. Raises ApiError 422 if a
    member is given under both names with different values."""
    names = channel.config.synonyms
    first = {names[name]: config[name] for name in config if name in names}
    faults = sorted(name for name in first if config.get(name, first[name]) != first[name])
    if faults:
        detail = "this member is given under two names with different values: give it once"
        raise _refusal("config_invalid", detail, [(("config", name), detail) for name in faults])
    return {name: config[name] for name in config if name not in names} | first


def merged(config: Config, patch: Config) -> Config:
    """The config with a JSON merge patch (RFC 7396) applied: null removes a member."""
    result = dict(config)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            earlier = result.get(name)
            result[name] = merged(earlier if isinstance(earlier, dict) else {}, value)
        else:
            result[name] = value
    return result


def joined(config: Config, credentials: Config) -> Config:
    """The config with the members in `credentials`. Raises ApiError 422 if both give one member
    different values."""
    twice = sorted(name for name in config.keys() & credentials.keys())
    faults = [name for name in twice if config[name] != credentials[name]]
    if faults:
        detail = "config and credentials give one member different values"
        why = "give it once"
        raise _refusal("config_invalid", detail, [(("credentials", name), why) for name in faults])
    return config | credentials


@contextmanager
def pointing_at(credentials: Config) -> Iterator[None]:
    """Have refusals of a joined config point at the request's `credentials` for those members that
    it has there, instead of at its `config`."""
    try:
        yield
    except ApiError as error:
        for fault in error.more.get("errors", ()):
            member = fault["pointer"].removeprefix("/config/")
            if member.partition("/")[0] in credentials:
                fault["pointer"] = f"/credentials/{member}"
        raise


def check_resent(channel: Channel[Any], before: Config, after: Config, patch: Config) -> None:
    """Raises ApiError 422 `secret_required` if the destination changes and secrets are not given
    anew: the new destination must not get secrets that were meant for the previous one."""
    moved = _moved(channel.config, before, after)
    kept = [
        member
        for name in sorted(secret_names(channel.config) & before.keys())
        for member in _kept(name, before[name], patch)
    ]
    if moved and kept:
        detail = f"{' and '.join(moved)} changed, so the secrets have to be given again"
        faults = [(("config", *member), "give it again, or null to remove it") for member in kept]
        raise _refusal("secret_required", detail, faults)


def _moved(model: type[ChannelConfig], before: Config, after: Config) -> list[str]:
    """The changed members that decide where secrets are sent."""
    old, new = _whole(model, before), _whole(model, after)
    return sorted(name for name in model.destinations if old.get(name) != new.get(name))


def _whole(model: type[ChannelConfig], config: Config) -> Config:
    """The config with its defaults, also if it was saved under earlier rules and is invalid now."""
    try:
        return _written(model.model_validate(config), unset=True)
    except ValidationError:
        fields = model.model_fields.items()
        return {field.alias or name: field.get_default() for name, field in fields} | config


def _kept(name: str, secret: Any, patch: Config) -> list[tuple[str, ...]]:
    """The members of a stored config that hold the parts of a secret which a patch would keep."""
    if isinstance(secret, dict) and isinstance(patch.get(name, {}), dict):
        return [(name, inner) for inner in secret if inner not in patch.get(name, {})]
    return [] if name in patch else [(name,)]


def with_signing_secret(channel: Channel[Any], config: Config) -> Config:
    """The config, with a generated signing secret if its type needs one and it has none."""
    return channel.signing.completed(config) if channel.signing else config


def rotated(channel: Channel[Any], config: Config) -> Config:
    """The config with a new signing secret. Raises ApiError 409 if its type has none."""
    if channel.signing is None:
        detail = f"{channel.title} has no signing secret that could be rotated"
        raise ApiError("no_signing_secret", detail)
    return channel.signing.rotated(config, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """A config in two: the members that reads show, and the secrets, which they do not."""

    plain: Config
    secrets: Config

    @classmethod
    def of(cls, channel: Channel[Any], config: Config) -> "SplitConfig":
        names = secret_names(channel.config)
        return cls(
            {name: value for name, value in config.items() if name not in names},
            {name: value for name, value in config.items() if name in names},
        )


def masks(secrets: Config, before: Config, masks_before: Config) -> Config:
    """The masks that reads show in place of secrets; an unchanged secret keeps its mask."""
    return {
        name: _mask(secret, before.get(name), masks_before.get(name))
        for name, secret in secrets.items()
        if secret is not None
    }


def _mask(secret: Any, before: Any, mask_before: Any) -> Any:
    if isinstance(secret, dict):
        same = isinstance(before, dict) and isinstance(mask_before, dict)
        return masks(secret, before if same else {}, mask_before if same else {})
    if secret == before and mask_before is not None:
        return mask_before
    is_hinted = isinstance(secret, str) and len(secret) >= _SHORTEST_HINTED
    hint = {"hint": f"…{secret[-_HINT_CHARS:]}"} if is_hinted else {}
    return {"set": True, **hint, "updated_at": datetime.now(UTC).isoformat()}
