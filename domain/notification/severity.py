"""How urgent something is: four levels, and the words that the field has for them. Pure.

A number alone says nothing: 1 is the highest in ServiceNow and Jira, information in Zabbix, and an
alert in syslog. Beside a word (`1 - Critical`, `P1`, `sev 2`) the word says what it means.
"""

import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator


class Severity(StrEnum):
    """From the most to the least urgent; the words are PagerDuty's."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """1 is the most urgent; what waits is sent in this order."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity, 1)}

# docs/notification.md publishes them. Of words that two scales use differently, the scale of
# severities counts: `normal` is X.733's and Kubernetes' "nothing is wrong", not Zendesk's medium.
WORDS = {
    Severity.CRITICAL: (
        "critical crit fatal emergency emerg alert panic disaster catastrophic blocker highest"
        " urgent immediate page p0 p1 s0 s1 sev0 sev1 severity0 severity1 priority0 priority1"
    ),
    Severity.ERROR: (
        "error err high major severe serious important failure p2 s2 sev2 severity2 priority2"
    ),
    Severity.WARNING: (
        "warning warn medium med moderate minor average ticket p3 s3 sev3 severity3 priority3"
    ),
    Severity.INFO: (
        "info information informational low lowest notice debug trace trivial normal ok okay"
        " clear cleared resolved planning p4 p5 s4 s5 sev4 sev5 severity4 severity5 priority4"
        " priority5"
    ),
}
_LEVELS = {word: severity for severity, words in WORDS.items() for word in words.split()}
_BESIDE = frozenset({"severity", "sev", "priority", "prio", "level", "impact", "urgency"})
_PIECE = re.compile(r"[^\W\d_]+|[0-9]+")


def understood(said: Any) -> Severity | None:
    """What the words say, in whatever case and with whatever between them; None if one is unknown.

    Of several, as in `P2 / critical`, the most urgent counts.
    """
    if not isinstance(said, str):
        return None
    if said in _LEVELS:
        return _LEVELS[said]
    levels = [*_levels(_PIECE.findall(unicodedata.normalize("NFKC", said).casefold()))]
    if None in levels:
        return None
    return min((level for level in levels if level), key=lambda each: each.rank, default=None)


def _levels(pieces: list[str]) -> Iterator[Severity | None]:
    """Each word's level, None of one that is unknown; nothing of what only stands beside them."""
    at = 0
    while at < len(pieces):
        piece, numbered = pieces[at], "".join(pieces[at : at + 2])
        if numbered != piece and numbered in _LEVELS:
            at += 1
            yield _LEVELS[numbered]
        elif not (piece in _BESIDE or piece.isdecimal()):
            yield _LEVELS.get(piece)
        at += 1


def _setting(said: Any) -> Severity:
    """A severity that somebody sets: what is not understood is refused, and told what is."""
    found = understood(said)
    if found is None:
        known = "; ".join(f"{level} ({', '.join(words.split())})" for level, words in WORDS.items())
        raise ValueError(f"no word for a severity that is known here. Known are: {known}")
    return found


SeveritySetting = Annotated[Severity, BeforeValidator(_setting)]
