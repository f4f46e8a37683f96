"""The types of events, whichever way they are written: `sla.breached` is `sla-breach`. Pure.

The platform's own code writes `issue.created`, its queue `sla-breach` and `shift_swap_accepted`.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

BELOW = ".*"  # ends a pattern that means all types below one
_SEPARATOR = re.compile("[._:-]")
# Only verbs whose other form means the same of an event: `change-approval` asks for one, and is not
# `change.approved`.
_ENDINGS = {
    "breach": "breached",
    "fail": "failed",
    "failure": "failed",
    "resolve": "resolved",
    "close": "closed",
    "acknowledge": "acknowledged",
}


@lru_cache(1_024)  # rules ask for the same few, each for many events
def folded(event_type: str) -> str:
    """The one form of what means the same; for comparing only, types are kept as they are sent."""
    parts = _parts(event_type)
    return ".".join([*parts[:-1], _ENDINGS.get(parts[-1], parts[-1])])


def fits(pattern: str, event_type: str) -> bool:
    """Whether the pattern is that type, or, as `incident.*`, stands for all below one."""
    if pattern.endswith(BELOW):
        above = ".".join(_parts(pattern.removesuffix(BELOW)))
        return folded(event_type).startswith(f"{above}.")
    return folded(event_type) == folded(pattern)


def closest(patterns: Iterable[str], event_type: str) -> str | None:
    """Of the patterns that fit, the one that says most: the type as it is written, then the type
    otherwise written, then all below one, the longest first."""
    fitting = [pattern for pattern in patterns if fits(pattern, event_type)]
    if event_type in fitting:
        return event_type
    return max(fitting, key=lambda each: (not each.endswith(BELOW), len(each)), default=None)


def _parts(event_type: str) -> list[str]:
    return _SEPARATOR.split(event_type.lower())
