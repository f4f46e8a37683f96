"""How time stamps are to be read, and what a file shows about the order of its dates."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

DateOrder = Literal["ymd", "dmy", "mdy"]

_DAY = re.compile("[Yy][mbB]d")
_TIME = re.compile("(HM(Sf?)?z?|IM(Sf?)?pz?)?")
_DIRECTIVE = re.compile(r"\.%(f)|%(.?)|\x00", re.DOTALL)
_ORDER = "YymbBdHIMSfpz"
NUMBERS = ("epoch", "epoch_ms", "excel")  # seconds and milliseconds since 1970, days since 1900


def checked_date_format(form: str) -> str:
    """A strptime format that Python and polars (chrono) read alike. Raises ValueError.

    It names year, month and day once each, and parts of a time at most once: a smaller part only
    with all larger ones. Dates that are numbers have a word as their format (NUMBERS).
    """
    if form in NUMBERS:
        return form
    directives = ["".join(found) for found in _DIRECTIVE.findall(form)]
    names = "".join(sorted((d for d in directives if d != "%"), key=_ORDER.find))
    day, time = names[:3], names[3:]
    if "" in directives or not _DAY.fullmatch(day) or not _TIME.fullmatch(time):
        raise ValueError(
            "use %Y or %y, %m, %b or %B, and %d; if needed, then %H or %I with %p, %M, %S, .%f, %z;"
            f" or {', '.join(NUMBERS)} for dates that are numbers"
        )
    return form


@dataclass(frozen=True, slots=True)
class DateRules:
    """How the dates of a file are read. `zone` (IANA) is the zone of values that name none;
    `format` (strptime, or one of NUMBERS) replaces detection.

    `order` decides nn/nn/yyyy: without it, a date that reads both ways is rejected, or read as day
    first if it is written with dots.
    """

    zone: str = "UTC"
    order: DateOrder | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class DateEvidence:
    """How many nn/nn/yyyy dates can only be `dmy`, can only be `mdy`, or read both ways. Of the
    last, those with dots count as `dotted`, as they are day first unless other dates tell
    otherwise; the rest are `ambiguous`."""

    dmy: int = 0
    mdy: int = 0
    ambiguous: int = 0
    dotted: int = 0

    def __add__(self, other: "DateEvidence") -> "DateEvidence":
        return DateEvidence(
            self.dmy + other.dmy,
            self.mdy + other.mdy,
            self.ambiguous + other.ambiguous,
            self.dotted + other.dotted,
        )

    @classmethod
    def total(cls, parts: "Iterable[DateEvidence]") -> "DateEvidence":
        """The evidence of a whole file from that of its batches."""
        return sum(parts, cls())

    @property
    def order(self) -> DateOrder | None:
        """The only order that fits every date seen; None if both orders do, or neither does."""
        if self.dmy and not self.mdy:
            return "dmy"
        if self.mdy and not self.dmy:
            return "mdy"
        return None

    @property
    def is_decisive(self) -> bool:
        """Whether some dates are read differently because of the order that the file shows."""
        if self.order is None:
            return False
        return self.ambiguous > 0 or (self.dotted > 0 and self.order == "mdy")

    @property
    def undecided(self) -> bool:
        """Whether some dates are rejected as date_ambiguous unless the mapping names the order."""
        return self.ambiguous > 0 and self.order is None
