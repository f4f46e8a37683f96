"""Which installation of a source system a file comes from, whoever spells its name."""

import unicodedata
from collections.abc import Sequence

_UNSEEN = ("Cc", "Cf")  # control and format characters, such as a zero-width space


def spelled_as_before(given: str, known: Sequence[str]) -> str:
    """The name as the tenant has it already, if it has: records of an installation are known by its
    name too, so that another spelling would import all of them a second time.

    `known` are the names so far, the first one first.
    """
    if given in known:
        return given
    same = (each for each in known if _key(each) == _key(given))
    return next(same, given.strip())


def _key(name: str) -> str:
    """Without what people add, leave out or do not see: case, the scheme, a slash at the end."""
    composed = unicodedata.normalize("NFC", name)
    seen = "".join(each for each in composed if unicodedata.category(each) not in _UNSEEN)
    address = seen.strip().casefold()
    return address.removeprefix("https://").removeprefix("http://").rstrip("/")
