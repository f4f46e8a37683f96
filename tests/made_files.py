"""Random exports, each record with its expected outcome."""

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

Record = dict[str, str]

FATES = ("good", "good", "good", "repeated", "no title", "odd state", "bad date", "no id", "other")
_NULL = ("", " ", "\u00a0", "\u200b")
_STATES = ("New", "In Progress", "On Hold", "Resolved", "Closed", "Canceled", "1", "7")
_WORDS = ("Broken", "Cold", "Büro", "日本", 'say "hi"', "a,b", "x;y", "two\nlines", "<b>&amp;", "'")


@dataclass(frozen=True)
class MadeFile:
    """A file and the expected outcome of its records: `left_out` by table, the others in total."""

    name: str
    content: bytes
    fates: Counter[str]
    left_out: int


def make(seed: int) -> MadeFile:
    """The file of this seed: of any format, with records of every fate."""
    chance = random.Random(seed)
    count = chance.choice([0, 1, 3, 30, 120])
    fates = (chance.choice(FATES) for _ in range(count))
    told = [(fate, _record(number, fate, chance)) for number, fate in enumerate(fates)]
    chance.shuffle(told)
    write = chance.choice([_as_csv, _as_csv, _as_json, _as_lines, _as_xml])
    name, content = write([record for _, record in told], chance)
    return MadeFile(name, content, _outcomes(told), sum(fate == "other" for fate, _ in told))


def _record(number: int, fate: str, chance: random.Random) -> Record:
    record = {
        "sys_id": f"{number:032x}",
        "number": f"INC{number:07}",
        "short_description": chance.choice(_WORDS),
        "state": chance.choice(_STATES),
        "priority": chance.choice(["1 - Critical", "2", "3 - Moderate", "4"]),
        "opened_at": f"2025-0{chance.randint(1, 9)}-11 10:00:00",
        "sys_class_name": "incident",
    }
    changes: dict[str, Record] = {
        "repeated": {"sys_id": f"{0xD0:032x}", "number": "INC-D0"},
        "no title": {"short_description": chance.choice(_NULL), "number": ""},
        "odd state": {"state": "Marvellous"},
        "bad date": {"opened_at": "the day before"},
        "no id": {"sys_id": chance.choice(_NULL), "number": ""},
        "other": {"sys_class_name": chance.choice(["problem", "change_request"])},
    }
    return record | changes.get(fate, {})


def _outcomes(told: list[tuple[str, Record]]) -> Counter[str]:
    """The expected outcomes of the records of this table."""
    fates = Counter[str]()
    seen: set[str] = set()
    for fate, record in told:
        if fate == "other":
            continue
        if fate in ("good", "repeated"):
            fates["skipped" if record["sys_id"] in seen else "inserted"] += 1
            seen.add(record["sys_id"])
        else:
            fates["failed"] += 1
    return fates


def _as_csv(records: list[Record], chance: random.Random) -> tuple[str, bytes]:
    out, fields = io.StringIO(newline=""), [*_record(0, "good", chance)]
    end = chance.choice(["\n", "\r\n"])
    writer = csv.writer(out, delimiter=chance.choice(",;\t"), lineterminator=end)
    writer.writerow(fields)
    for number, record in enumerate(records):
        writer.writerow(record.values())
        if number % 40 == 20:  # two exports that were joined
            writer.writerow(fields)
    text = out.getvalue()
    return "made.csv", text.encode(chance.choice(["utf-8", "utf-8-sig", "utf-16"]))


def _as_json(records: list[Record], chance: random.Random) -> tuple[str, bytes]:
    wrap: Callable[[list[Record]], object] = chance.choice(
        [lambda all: {"records": all}, lambda all: {"result": all}, lambda all: all]
    )
    text = json.dumps(wrap(records), ensure_ascii=chance.random() < 0.5)
    return "made.json", text.encode(chance.choice(["utf-8", "utf-16"]))


def _as_lines(records: list[Record], chance: random.Random) -> tuple[str, bytes]:
    if len(records) < 2:
        return _as_json(records, chance)
    return "made.json", "\n".join(map(json.dumps, records)).encode()


def _as_xml(records: list[Record], chance: random.Random) -> tuple[str, bytes]:
    made = "".join(_element(record) for record in records)
    return "made.xml", f'<?xml version="1.0" encoding="UTF-8"?>\n<unload>{made}</unload>'.encode()


def _element(record: Record) -> str:
    fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in record.items())
    table = record["sys_class_name"]
    return f'<{table} action="INSERT_OR_UPDATE">{fields}</{table}>\n'
