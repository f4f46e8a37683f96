"""Read a notification channel's stored options for sending, also those saved without checks."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from integrations.channel import Channel, ChannelOptions, names_of

_OURS = "Value error, "  # what pydantic puts before a sentence of our own


def read(channel: Channel[Any], kept: Mapping[str, Any]) -> tuple[ChannelOptions, str | None]:
    """The options, and what is wrong with them, if anything; wrong ones are read as none.

    Options that were saved before they were checked may be anything. A member that is no option
    never had an effect, and is ignored: messages go where they always went.
    """
    names, nothing = _of(channel.options)
    if not kept:
        return nothing, None
    known = {name: kept[name] for name in names & kept.keys()}
    if not known:
        return nothing, None
    try:
        return channel.options.model_validate(known, by_alias=True, by_name=False), None
    except ValidationError as error:
        faults = (
            f"{_dotted(each['loc'])}: {each['msg'].removeprefix(_OURS)}" for each in error.errors()
        )
        return nothing, "; ".join(faults)


@lru_cache
def _of(options: type[ChannelOptions]) -> tuple[frozenset[str], ChannelOptions]:
    """The names of all options of a type, and its options with nothing set."""
    return names_of(options), options()


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


def misplaced(channel: Channel[Any], kept: Mapping[str, Any]) -> list[str]:
    """The members that are no options of this type of channel."""
    return sorted(kept.keys() - names_of(channel.options))
