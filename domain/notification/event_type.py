"""Compares event types however they are written: `sla.breached` equals `sla-breach`. Pure.

The platform's own code writes `issue.created`, its queue `sla-breach` and `shift_swap_accepted`.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

BELOW = ".*"  # ends a pattern for all types below a prefix, as in `incident.*`
_SEPARATOR = re.compile("[._:-]")
# Only words whose two forms mean the same event: `change-approval` asks for an approval, so it is
# not `change.approved`.
_ENDINGS = {
    "breach": "breached",
    "fail": "failed",
    "failure": "failed",
    "resolve": "resolved",
    "close": "closed",
    "acknowledge": "acknowledged",
}


@lru_cache(1_024)  # the same few patterns are compared with many events
def folded(event_type: str) -> str:
    """The same form for all types that mean the same. It is only for comparing: types are stored as
    they were sent."""
    parts = _parts(event_type)
    return ".".join([*parts[:-1], _ENDINGS.get(parts[-1], parts[-1])])


def fits(pattern: str, event_type: str) -> bool:
    """Whether the pattern names this event type, or is one like `incident.*` that includes it."""
    if pattern.endswith(BELOW):
        above = ".".join(_parts(pattern.removesuffix(BELOW)))
        return folded(event_type).startswith(f"{above}.")
    return folded(event_type) == folded(pattern)


def closest(patterns: Iterable[str], event_type: str) -> str | None:
    """The most specific pattern that fits; None if none does. First comes the type exactly as it is
    written, then the type written differently, then the longest pattern with `.*`."""
    fitting = [pattern for pattern in patterns if fits(pattern, event_type)]
    if event_type in fitting:
        return event_type
    return max(fitting, key=lambda each: (not each.endswith(BELOW), len(each)), default=None)


def _parts(event_type: str) -> list[str]:
    return _SEPARATOR.split(event_type.lower())
