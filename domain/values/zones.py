"""The one table of time zones: that of the pinned tzdata package, whatever else a machine has.

zoneinfo by itself reads the system's files before the package, and polars has a table compiled in;
they differ by an hour wherever a law is newer than one of them (docs/decisions/zones.md). So each
zone is read from the package's own files, and nobody else in this service reads a zone.
"""

from bisect import bisect
from calendar import isleap
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

UTC_NAMES = ("UTC", "Etc/UTC")

_PACKAGE = "tzdata"
_NO_PLACES = {"Factory"}  # stands in the table for "not set up yet"

# The table has these too, but others read them otherwise: PostgreSQL's CET has no summer time, and
# who writes EST for New York gets none here.
_ABBREVIATIONS = {
    "CET": "Europe/Berlin",
    "EET": "Europe/Helsinki",
    "EST": "America/New_York",
    "HST": "Pacific/Honolulu",
    "MET": "Europe/Berlin",
    "MST": "America/Denver",
    "WET": "Europe/Lisbon",
}

_TO_ITS_LAST_SECOND = timedelta(days=1, seconds=-1)


class Ahead(NamedTuple):
    """From this local time on, local times are so far ahead of UTC."""

    start: datetime
    ahead: timedelta


@cache
def zone_names() -> frozenset[str]:
    """Every name that the table has."""
    return frozenset(files(_PACKAGE).joinpath("zones").read_text().split()) - _NO_PLACES


def check_known(name: str) -> str:
    """The name, if the table has it. Raises ValueError."""
    if name not in zone_names():
        raise ValueError(
            f"unknown time zone {name!r}; name a place as IANA does, such as Europe/Berlin "
            "(offsets and abbreviations are none)"
        )
    return name


def check_place(name: str) -> str:
    """The name, if it can only mean one thing: for what is said from now on. Raises ValueError."""
    if place := _ABBREVIATIONS.get(name):
        raise ValueError(
            f"{name} is read with and without summer time; name a place, such as {place}"
        )
    return check_known(name)


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises ValueError."""
    path = files(_PACKAGE).joinpath("zoneinfo", *check_known(name).split("/"))
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def instant(local: datetime, name: str) -> datetime:
    """When a local time was. Of an hour that came twice, the first; an hour that never was goes by
    the offset before it. Raises ValueError, and OverflowError beyond the years 1 to 9999."""
    return local.replace(tzinfo=zone(name), fold=0).astimezone(UTC)


def ahead_by_word(local: datetime, word: str, name: str) -> timedelta | None:
    """How far ahead of UTC the zone is when its clocks show that time and its short name is the
    word; None where they never do. Of an hour that came twice, the word tells which is meant."""
    for fold in (0, 1):
        at = local.replace(tzinfo=zone(name), fold=fold)
        if at.tzname() == word:
            return at.utcoffset()
    return None


@lru_cache(10_000)
def offsets(name: str, year: int) -> tuple[Ahead, ...]:
    """What `instant` takes off the local times of a year, from its begin on.

    Asks once a day; where the answer is a new one, the second is searched at which it changed. No
    zone of the table has ever changed twice within two days (a test looks at all).
    """
    place = zone(name)
    begin = datetime.combine(date(year, 1, 1), time())
    found = [Ahead(begin, _ahead(place, begin))]
    for day in range(366 if isleap(year) else 365):
        at = begin + timedelta(days=day)
        if _ahead(place, at + _TO_ITS_LAST_SECOND) != found[-1].ahead:
            found.append(_change(place, at, found[-1].ahead))
    return tuple(found)


def _change(place: ZoneInfo, day: datetime, before: timedelta) -> Ahead:
    """The first second of the day that is not as far ahead as those before it."""

    def differs(second: int) -> bool:
        return _ahead(place, day + timedelta(seconds=second)) != before

    start = day + timedelta(seconds=bisect(range(86_400), False, key=differs))
    return Ahead(start, _ahead(place, start))


def _ahead(place: ZoneInfo, local: datetime) -> timedelta:
    ahead = place.utcoffset(local)
    assert ahead is not None, f"{place} has no offset"
    return ahead
