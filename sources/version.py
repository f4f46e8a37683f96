"""The version of the readers: chunks that another version has parsed are not used."""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def _version() -> str:
    """A hash of the readers' code and of their libraries, so that nobody has to raise a number."""
    code = sha256("".join(map(version, ("polars", "lxml"))).encode())
    for module in modules():
        code.update(module.read_bytes())
    return code.hexdigest()[:8]


def modules() -> list[Path]:
    """Every module that may change what a file is parsed into: all of `sources` and `domain`."""
    return sorted(path for floor in ("sources", "domain") for path in (_ROOT / floor).rglob("*.py"))


READERS = _version()
