"""Exports with false values: each record has a true value and contradicting ones."""

import csv
import io
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_WORDS = ("Büro kalt", "Łódź – Netz", "日本のプリンター", "plain", "naïve café", "ёлка")
_STATES = {"new": "1", "in_progress": "2", "on_hold": "3", "resolved": "6", "closed": "7"}
_RANKS = {1: "critical", 2: "high", 3: "medium", 4: "low"}


@dataclass
class Told:
    """A record as the file has it, and its true values.

    `fate`: `kept`, `rejected` or `left out`; with a `remark`, its row has to be listed under it.
    """

    record: dict[str, str]
    truth: dict[str, Any]
    fate: str = "kept"
    remark: str | None = None


@dataclass
class Lying:
    name: str
    content: bytes
    told: list[Told]
    charset: str = "utf-8"


def lying(seed: int) -> Lying:
    """The file of this seed."""
    chance = random.Random(seed)
    told = [_told(number, chance) for number in range(chance.choice([3, 12, 18]))]
    made = _as_json(told, chance) if chance.random() < 0.3 else _as_csv(told, chance)
    made.charset = chance.choice(["utf-8", "utf-8", "windows-1252", "koi8-r"])
    return made


def _told(number: int, chance: random.Random) -> Told:
    status, rank = chance.choice([*_STATES]), chance.choice([*_RANKS])
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(700_000))
    over = status == "closed"
    told = Told(
        {
            "sys_id": f"{number + 1:032x}",
            "number": f"INC{number}",
            "short_description": chance.choice(_WORDS),
            "state": _STATES[status],
            "incident_state": _STATES[status],
            "active": "false" if over or status == "resolved" else "true",
            "priority": f"{rank} - {_RANKS[rank].title()}",
            "opened_at": at.strftime("%Y-%m-%d %H:%M:%S"),
            "closed_at": (at + timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S") if over else "",
            "sys_class_name": "incident",
        },
        {"status": status, "priority": rank, "created_at": at},
    )
    told.truth["title"] = told.record["short_description"]
    chance.choice(_LIES)(told, chance)
    return told


def _nothing(told: Told, chance: random.Random) -> None:
    pass


def _scale(told: Told, chance: random.Random) -> None:
    """The digit of another vendor's scale beside the word."""
    rank = told.truth["priority"]
    told.record["priority"] = chance.choice([f"{5 - rank} {_RANKS[rank]}", _RANKS[rank].upper()])


def _unsure(told: Told, chance: random.Random) -> None:
    told.record["priority"] = chance.choice(["0", "as you like, high or low", "7 - Urgent"])
    told.fate = "rejected"


def _task_state(told: Told, chance: random.Random) -> None:
    told.record["state"] = _STATES["on_hold" if told.truth["status"] != "on_hold" else "new"]
    told.remark = "fields_disagree"


def _missing_state(told: Told, chance: random.Random) -> None:
    told.record["incident_state"] = chance.choice(["", " ", "\u00a0"])
    told.remark = "filled_from_another"


def _activity(told: Told, chance: random.Random) -> None:
    if told.truth["status"] == "resolved":
        return
    over = told.truth["status"] == "closed"
    told.record["active"] = "true" if over else "false"
    told.remark = "closed_but_active" if over else "open_but_inactive"


def _order(told: Told, chance: random.Random) -> None:
    if told.truth["status"] == "closed":
        told.record["closed_at"] = "2001-01-01 00:00:00"
        told.remark = "dates_disagree"


def _no_date(told: Told, chance: random.Random) -> None:
    text = chance.choice(["0001-01-01 00:00:00", "1899-12-30 00:00:00", "1900-01-01 00:00:00"])
    told.record["opened_at"] = text
    told.truth["created_at"] = datetime.fromisoformat(text).replace(tzinfo=UTC)
    told.remark = "date_long_ago"


def _offset(told: Told, chance: random.Random) -> None:
    """The same instant, as another clock shows it."""
    hours = chance.randint(-11, 12)
    local = told.truth["created_at"] + timedelta(hours=hours)
    shown = local.strftime(chance.choice(["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]))
    told.record["opened_at"] = shown + chance.choice([f"{hours:+03}", f"{hours:+03}:00"])


def _unclear(told: Told, chance: random.Random) -> None:
    told.record["opened_at"] = chance.choice(["5/6/24 10:00", "yesterday", "2024-02-30 10:00:00"])
    told.fate = "rejected"


def _nameless(told: Told, chance: random.Random) -> None:
    told.record["short_description"] = chance.choice(["", "  ", "\u200b"])
    told.truth["title"] = told.record["number"]
    told.remark = "filled_from_another"


def _null(told: Told, chance: random.Random) -> None:
    told.record["short_description"] = told.truth["title"] = chance.choice(["null", "N/A"])
    told.remark = "null_word"


def _table(told: Told, chance: random.Random) -> None:
    told.record["sys_class_name"] = chance.choice(["problem", "Change Request"])
    told.fate = "left out"


_LIES = (
    *(_nothing, _nothing, _scale, _unsure, _task_state, _missing_state, _activity, _order),
    *(_no_date, _offset, _unclear, _nameless, _null, _table),
)


def _as_json(told: list[Told], chance: random.Random) -> Lying:
    records = [each.record for each in told]
    shape = chance.choice(["array", "result", "lines"])
    text = json.dumps({"result": records} if shape == "result" else records, ensure_ascii=False)
    if shape == "lines":
        text = "\n".join(json.dumps(each, ensure_ascii=False) for each in records)
    return Lying("made.json", text.encode(chance.choice(["utf-8", "utf-16", "utf-32"])), told)


def _as_csv(told: list[Told], chance: random.Random) -> Lying:
    out, names = io.StringIO(newline=""), [*told[0].record]
    tail = [""] * chance.choice([0, 0, 1, 2])  # delimiters at the end of each line
    writer = csv.writer(out, delimiter=chance.choice(",;\t|"), lineterminator="\n")
    writer.writerow(names + tail)
    for each in told:
        writer.writerow([*each.record.values(), *tail])
        if chance.random() < 0.05:
            writer.writerow(names + tail)
        if chance.random() < 0.03:
            writer.writerow(["half", "of a record"])
    made = Lying("made.csv", out.getvalue().encode(), told)
    return _with_stray(made, chance) if chance.random() < 0.3 else made


def _with_stray(made: Lying, chance: random.Random) -> Lying:
    """One byte that is not UTF-8 in a file that else is, within a record's number."""
    victim = chance.randrange(len(made.told))
    number = made.told[victim].record["number"].encode()
    content = made.content.replace(number, number + b"\xff", 1)
    wide = sum(byte > 127 for byte in made.content)
    if wide < 4 or content == made.content:
        return made
    made.told[victim].fate, made.content = "rejected", content
    return made
