"""The config of an integration on its way in and out: checked, its secrets kept apart, masked.

A config here is as clients write it, secrets included, without what they left to its default.
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
from egress.address import Policy
from egress.guard import Refused, check_server, parse_target
from integrations import CHANNELS
from integrations.channel import SAVING, Channel, ChannelConfig, secret_names

Config = Json

_HINT_CHARS = 4
_SHORTEST_HINTED = 16  # of less, four characters say too much


def channel_of(type: str) -> Channel[Any]:
    """Raises ApiError 422 `unknown_type`."""
    if type not in CHANNELS:
        known = ", ".join(sorted(CHANNELS))
        refuse("unknown_type", "there is no such type of integration", type=f"one of: {known}")
    return CHANNELS[type]


def refuse(code: str, detail: str, **faults: str) -> NoReturn:
    """ApiError 422 with a pointer to each of the members at fault."""
    raise _refusal(code, detail, [((name,), why) for name, why in faults.items()])


def _refusal(code: str, detail: str, faults: list[tuple[tuple[str, ...], str]]) -> ApiError:
    errors = [{"pointer": pointer(place), "detail": why} for place, why in faults]
    return ApiError(code, detail, 422, errors=errors)


def validate(channel: Channel[Any], given: Config, policy: Policy) -> Config:
    """The config in its canonical form. Raises ApiError 422 that points at what is wrong."""
    names = secret_names(channel.config)
    masked = [("config", name) for name in sorted(names & given.keys()) if _has_mask(given[name])]
    if masked:
        detail = "a mask stands for a secret, and is none: leave the member out to keep the secret"
        raise _refusal("secret_mask", detail, [(place, "this is a mask") for place in masked])
    try:
        config: ChannelConfig = channel.config.model_validate(
            given, by_alias=True, by_name=False, context=SAVING
        )
    except ValidationError as error:
        faults = validation_errors(error)
        errors = [{**fault, "pointer": f"/config{fault['pointer']}"} for fault in faults]
        detail = f"this is no config of {channel.title}"
        raise ApiError("config_invalid", detail, errors=errors) from None
    _check_targets(config, policy)
    return _written(config, unset=False)


def _has_mask(value: Any) -> bool:
    """Whether what a read shows of a secret stands in the secret's place."""
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("set"), bool) or any(map(_has_mask, value.values()))


def _check_targets(config: ChannelConfig, policy: Policy) -> None:
    """Names are resolved, and their addresses judged, when they are called."""
    for url in config.urls():
        with _refused_at(config, url):
            parse_target(url, policy)
    for host, port in config.servers():
        with _refused_at(config, host):
            check_server(host, port, policy)


@contextmanager
def _refused_at(config: ChannelConfig, value: str) -> Iterator[None]:
    """Raises ApiError 422 that points at the member with the value, if there is one."""
    try:
        yield
    except Refused as refused:
        written = _written(config, unset=True)
        names = [name for name in written if written[name] == value]
        fault = (("config", *names[:1]), refused.detail)
        raise _refusal(refused.code, refused.detail, [fault]) from None


def _written(config: ChannelConfig, *, unset: bool) -> Config:
    """As clients write it, secrets opened; `unset`: with what they have left to its default."""
    fields = config.model_dump(by_alias=True, exclude_unset=not unset)
    written: Config = to_jsonable_python({name: _opened(fields[name]) for name in fields})
    return written


def _opened(value: Any) -> Any:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Mapping():
            return {name: _opened(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_opened(inner) for inner in value]
    return value


def patched(channel: Channel[Any], config: Config, patch: Config) -> Config:
    """The config with a patch applied, its members under their own names. Raises ApiError 422."""
    return merged(_named(channel, config), _named(channel, patch))


def _named(channel: Channel[Any], config: Config) -> Config:
    """With each member that has a second name under its first."""
    names = channel.config.synonyms
    first = {names[name]: config[name] for name in config if name in names}
    faults = sorted(name for name in first if config.get(name, first[name]) != first[name])
    if faults:
        detail = "this is said under two names, and differently: give it once"
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
    """One config of both: `credentials` holds members of it that are secret. Raises ApiError 422
    for what is said twice, and differently."""
    twice = sorted(name for name in config.keys() & credentials.keys())
    faults = [name for name in twice if config[name] != credentials[name]]
    if faults:
        detail = "config and credentials say different things of one member"
        why = "give it once"
        raise _refusal("config_invalid", detail, [(("credentials", name), why) for name in faults])
    return config | credentials


@contextmanager
def placed(credentials: Config) -> Iterator[None]:
    """Has refusals of a joined config point at `credentials` where the member stands there."""
    try:
        yield
    except ApiError as error:
        for fault in error.more.get("errors", ()):
            member = fault["pointer"].removeprefix("/config/")
            if member.partition("/")[0] in credentials:
                fault["pointer"] = f"/credentials/{member}"
        raise


def check_resent(channel: Channel[Any], before: Config, after: Config, patch: Config) -> None:
    """A new destination asks for every secret again, or it would be sent what was never meant
    for it. Raises ApiError 422 `secret_required`."""
    moved = _moved(channel.config, before, after)
    kept = [
        place
        for name in sorted(secret_names(channel.config) & before.keys())
        for place in _kept(name, before[name], patch)
    ]
    if moved and kept:
        detail = f"with another {' and '.join(moved)}, its secrets have to be given again"
        faults = [(("config", *place), "give it again, or null to remove it") for place in kept]
        raise _refusal("secret_required", detail, faults)


def _moved(model: type[ChannelConfig], before: Config, after: Config) -> list[str]:
    old, new = _whole(model, before), _whole(model, after)
    return sorted(name for name in model.destinations if old.get(name) != new.get(name))


def _whole(model: type[ChannelConfig], config: Config) -> Config:
    """With its defaults. One that was saved under other rules counts as it stands."""
    try:
        return _written(model.model_validate(config), unset=True)
    except ValidationError:
        fields = model.model_fields.items()
        return {field.alias or name: field.get_default() for name, field in fields} | config


def _kept(name: str, secret: Any, patch: Config) -> list[tuple[str, ...]]:
    """The places of what a patch says nothing of."""
    if isinstance(secret, dict) and isinstance(patch.get(name, {}), dict):
        return [(name, inner) for inner in secret if inner not in patch.get(name, {})]
    return [] if name in patch else [(name,)]


def with_signing_secret(channel: Channel[Any], config: Config) -> Config:
    """The config with a signing secret made for it, if its type has one and it has none."""
    return channel.signing.completed(config) if channel.signing else config


def rotated(channel: Channel[Any], config: Config) -> Config:
    """The config with another signing secret. Raises ApiError 409 if its type has none."""
    if channel.signing is None:
        detail = f"{channel.title} has no signing secret of ours"
        raise ApiError("no_signing_secret", detail)
    return channel.signing.rotated(config, datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """A config taken apart: what anybody who may read is shown, and what nobody is."""

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
    """What reads show in the place of secrets; those that stay the same keep their mask."""
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
