"""Files whose import needs much memory; each is generated once."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

_HEADER = ("number", "short_description", "state", "priority", "sys_id", "opened_at")
_FIELD = 2**20 - 100  # just below the longest field that is accepted, 1 MiB


def _base(number: int) -> dict[str, str]:
    values = (f"INC{number:07}", f"t {number}", "1", "3", f"{number:032x}", "2024-05-01 08:00:00")
    return dict(zip(_HEADER, values, strict=True))


def _written(path: Path, pieces: Iterator[str]) -> Path:
    if not path.exists():
        unfinished = path.with_suffix(".part")
        with unfinished.open("w", newline="") as file:
            file.writelines(pieces)
        unfinished.rename(path)
    return path


def _csv(count: int, extra: Callable[[int], dict[str, str]]) -> Iterator[str]:
    yield ",".join([*_HEADER, *extra(0)]) + "\n"
    for number in range(count):
        yield ",".join([*_base(number).values(), *extra(number).values()]) + "\n"


def _json(count: int, extra: Callable[[int], dict[str, str]]) -> Iterator[str]:
    yield '{"records":['
    for number in range(count):
        yield ("," if number else "") + json.dumps(_base(number) | extra(number))
    yield "]}"


def _xml(count: int, extra: Callable[[int], dict[str, str]]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<unload>'
    for number in range(count):
        fields = (_base(number) | extra(number)).items()
        yield '<incident action="INSERT_OR_UPDATE">'
        yield from (f"<{name}>{value}</{name}>" for name, value in fields)
        yield "</incident>\n"
    yield "</unload>"


def _long(number: int) -> dict[str, str]:
    return {"u_notes": f"{number} " + "lorem " * 8_333}


def _quoted(number: int) -> dict[str, str]:
    return {"u_notes": f'"{number} ' + 'lorem ""x""\n' * 4_500 + '"'}


def _many(number: int) -> dict[str, str]:
    return {f"u_{name}": f"{number} " + "m" * 500 for name in range(100)}


def _limit(_: int) -> dict[str, str]:
    return {"u_notes": "x" * _FIELD}


def _control(_: int) -> dict[str, str]:
    """Control characters: as JSON they are six times as long (`\\u0001`)."""
    return {"u_notes": "\x01" * 50_000}


def _largest(_: int) -> dict[str, str]:
    """A record just below the limit of 16 MiB."""
    return {f"u_{name}": "y" * _FIELD for name in range(15)}


HEAVY: dict[str, Callable[[Path], Path]] = {
    "long.csv": lambda path: _written(path, _csv(10_000, _long)),
    "quoted.csv": lambda path: _written(path, _csv(10_000, _quoted)),
    "many.csv": lambda path: _written(path, _csv(10_000, _many)),
    "limit.csv": lambda path: _written(path, _csv(500, _limit)),
    "control.csv": lambda path: _written(path, _csv(10_000, _control)),
    "long.json": lambda path: _written(path, _json(10_000, _long)),
    "largest.json": lambda path: _written(path, _json(40, _largest)),
    "long.xml": lambda path: _written(path, _xml(10_000, _long)),
    "largest.xml": lambda path: _written(path, _xml(40, _largest)),
}
