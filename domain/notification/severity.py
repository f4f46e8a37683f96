"""How urgent an event is: four severities, and the words that other systems use for them. Pure.

A number alone means nothing: 1 is the highest in ServiceNow and Jira, information in Zabbix, and an
alert in syslog. A word beside it (`1 - Critical`, `P1`, `sev 2`) says what it means.
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
        """1 is the most urgent; waiting deliveries are sent in this order."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity, 1)}

# docs/notification.md publishes them. Where scales of severity and of priority use a word
# differently, the severity counts: `normal` is X.733's and Kubernetes' "nothing is wrong", not
# Zendesk's medium.
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
    """The severity that a text states, in any case and with any separators; None if it holds an
    unknown word, or no word.

    If it states several, as in `P2 / critical`, the most urgent one counts.
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
    """The severity of each word, None for an unknown one. Words such as `priority`, and numbers
    alone, are left out."""
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
    """The severity that somebody sets. Raises ValueError with the known words."""
    found = understood(said)
    if found is None:
        known = "; ".join(f"{level} ({', '.join(words.split())})" for level, words in WORDS.items())
        raise ValueError(f"this is not a known severity. Known are: {known}")
    return found


SeveritySetting = Annotated[Severity, BeforeValidator(_setting)]
