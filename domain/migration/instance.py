"""One spelling for the name of the installation of a source system that a file comes from."""

import unicodedata
from collections.abc import Sequence

_UNSEEN = ("Cc", "Cf")  # control and format characters, such as a zero-width space


def spelled_as_before(name: str, known: Sequence[str]) -> str:
    """The name in the spelling that the tenant has used before; a new name unchanged, but trimmed.

    Records are recognised by the name of their installation, too, so that another spelling would
    import all of them a second time. `known` are the names so far, the oldest first.
    """
    if name in known:
        return name
    same = (each for each in known if _key(each) == _key(name))
    return next(same, name.strip())


def _key(name: str) -> str:
    """The name without case, invisible characters, a scheme, and slashes at the end, in which
    spellings of one name differ."""
    composed = unicodedata.normalize("NFC", name)
    seen = "".join(each for each in composed if unicodedata.category(each) not in _UNSEEN)
    address = seen.strip().casefold()
    return address.removeprefix("https://").removeprefix("http://").rstrip("/")
