"""The pinned zone table, read without the code under test: its changes, and zoneinfo over it."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

# All places whose law is newer than polars 2.1.0, and others that change in ways of their own.
PLACES = (
    *("America/Vancouver", "America/Edmonton", "America/Winnipeg", "America/Yellowknife"),
    *("America/Inuvik", "America/Havana", "Africa/Casablanca", "Africa/El_Aaiun"),
    *("America/Rainy_River", "America/Cambridge_Bay"),
    *("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"),
    *("America/St_Johns", "America/Halifax", "America/Santiago", "America/Asuncion"),
    *("America/Nuuk", "America/Scoresbysund", "America/Miquelon", "America/Port-au-Prince"),
    *("Africa/Cairo", "Asia/Gaza", "Asia/Hebron", "Asia/Beirut", "Asia/Jerusalem", "Asia/Almaty"),
    *("Antarctica/Troll", "Australia/Lord_Howe"),
    *("Australia/Sydney", "Pacific/Apia", "Pacific/Auckland", "Pacific/Chatham"),
    *("Pacific/Easter", "Pacific/Norfolk", "Atlantic/Azores", "Europe/Berlin", "Europe/Dublin"),
    *("Europe/Chisinau", "Europe/London", "Asia/Qostanay", "America/Coyhaique"),
)


class Change(NamedTuple):
    """At this instant the offset changes."""

    at: datetime
    before: timedelta
    after: timedelta

    def local_times(self) -> Iterator[datetime]:
        """On both sides of the change, within what it skips or repeats, and at its very edges."""
        second = timedelta(seconds=1)
        local = self.at.replace(tzinfo=None)
        low, high = sorted((local + self.before, local + self.after))
        yield from (low - second, low, low + (high - low) / 2, high - second, high)
        yield from (low - timedelta(hours=5), high + timedelta(hours=5))


def names() -> list[str]:
    listed = files("tzdata").joinpath("zones").read_text().split()
    return sorted(name for name in listed if name != "Factory")


def distinct() -> list[str]:
    """One name of each zone that has several: the first by the alphabet."""
    return sorted({_content(name): name for name in reversed(names())}.values())


def _content(name: str) -> bytes:
    return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


@cache
def pinned(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def instant(local: datetime, name: str) -> datetime:
    """The instant by zoneinfo, with the pinned table."""
    return local.replace(tzinfo=pinned(name)).astimezone(UTC)


def changes(name: str, first: int, last: int) -> list[Change]:
    """Every change of the offset in the years of UTC, found a quarter of an hour at a time."""
    zone, begin = pinned(name), datetime(first, 1, 1, tzinfo=UTC)
    days = [begin + timedelta(days=day) for day in range((last + 1 - first) * 366)]
    return [
        Change(after, was, now)
        for day, next_day in pairwise(days)
        if _ahead(day, zone) != _ahead(next_day, zone)
        for before, after in pairwise(day + timedelta(minutes=15 * n) for n in range(97))
        if (was := _ahead(before, zone)) != (now := _ahead(after, zone)) and after.year <= last
    ]


def _ahead(at: datetime, zone: ZoneInfo) -> timedelta:
    ahead = at.astimezone(zone).utcoffset()
    assert ahead is not None
    return ahead


def listed_changes(name: str) -> list[Change]:
    """Every change that the file lists (RFC 8536); what follows them is a rule for every year."""
    data = _content(name)
    start = _HEADER.size + _size(_HEADER.unpack_from(data), 4)
    _, _, _, _, times, types, _ = _HEADER.unpack_from(data, start)
    at = start + _HEADER.size
    instants = struct.unpack_from(f">{times}q", data, at)
    kinds = data[at + 8 * times : at + 9 * times]
    ahead = [struct.unpack_from(">l", data, at + 9 * times + 6 * n)[0] for n in range(types)]
    offsets = [ahead[0], *(ahead[kind] for kind in kinds)]
    return [
        Change(_EPOCH + timedelta(seconds=at), timedelta(seconds=was), timedelta(seconds=now))
        for at, (was, now) in zip(instants, pairwise(offsets), strict=True)
        if was != now
    ]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEADER = struct.Struct(">20s6l")


def _size(header: tuple[int, ...], bytes_of_a_time: int) -> int:
    _, isut, isstd, leap, times, types, chars = header
    return times * (bytes_of_a_time + 1) + types * 6 + chars + leap * 8 + isstd + isut
