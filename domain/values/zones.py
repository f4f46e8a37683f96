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

# The table has these names too, but systems read them differently: PostgreSQL's CET has no summer
# time, and the table's EST has none either, though people write EST for New York. `check_place`
# proposes the place instead.
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
    """From the local time `start` on, local times are `ahead` of UTC."""

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
            "(offsets and abbreviations are not places)"
        )
    return name


def check_place(name: str) -> str:
    """The name, if it means the same zone to all systems. Raises ValueError. Stricter than
    `check_known`, which accepts the names of stored mappings, too."""
    if place := _ABBREVIATIONS.get(name):
        raise ValueError(
            f"systems read {name} with or without summer time; name a place, such as {place}"
        )
    return check_known(name)


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of this name. Raises ValueError."""
    path = files(_PACKAGE).joinpath("zoneinfo", *check_known(name).split("/"))
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def instant(local: datetime, name: str) -> datetime:
    """The instant of a local time in the zone of this name. Of an hour that came twice, it is the
    first; an hour that never was has the offset before it. Raises ValueError, and OverflowError
    beyond the years 1 to 9999."""
    return local.replace(tzinfo=zone(name), fold=0).astimezone(UTC)


def ahead_by_word(local: datetime, word: str, name: str) -> timedelta | None:
    """How far the zone `name` is ahead of UTC when its clocks show the time `local` and its short
    name is `word`; None if they never do. Of an hour that came twice, the word tells which."""
    for fold in (0, 1):
        at = local.replace(tzinfo=zone(name), fold=fold)
        if at.tzname() == word:
            return at.utcoffset()
    return None


@lru_cache(10_000)
def offsets(name: str, year: int) -> tuple[Ahead, ...]:
    """The offsets of a zone's local times in a year, in order of time. `instant` has the same ones.

    The offset is looked up once a day; where it differs, the second of the change is searched. No
    zone of the table has ever changed twice within two days (tests/domain/values/test_zones.py).
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
    """The first second of the day at which the offset is not `before`, and the new offset."""

    def differs(second: int) -> bool:
        return _ahead(place, day + timedelta(seconds=second)) != before

    start = day + timedelta(seconds=bisect(range(86_400), False, key=differs))
    return Ahead(start, _ahead(place, start))


def _ahead(place: ZoneInfo, local: datetime) -> timedelta:
    ahead = place.utcoffset(local)
    assert ahead is not None, f"{place} has no offset"
    return ahead
