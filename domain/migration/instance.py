"""One spelling for the name of the installation of a source system that a file comes from."""

import unicodedata
from collections.abc import Sequence

_UNSEEN = ("Cc", "Cf")  # control and format characters, such as a zero-width space


def spelled_as_before(given: str, known: Sequence[str]) -> str:
    """The name as the tenant has spelled it before; a new name as it is given, but trimmed.

    Records are recognised by the name of their installation, too, so that another spelling would
    import all of them a second time. `known` are the names so far, the oldest first.
    """
    if given in known:
        return given
    same = (each for each in known if _key(each) == _key(given))
    return next(same, given.strip())


def _key(name: str) -> str:
    """The name without what spellings differ in: case, invisible characters, the scheme, a slash at
    the end."""
    composed = unicodedata.normalize("NFC", name)
    seen = "".join(each for each in composed if unicodedata.category(each) not in _UNSEEN)
    address = seen.strip().casefold()
    return address.removeprefix("https://").removeprefix("http://").rstrip("/")
