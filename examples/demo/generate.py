"""Writes the demo's two ServiceNow exports: invented incidents, with the faults of real files.

Deterministic: `python examples/demo/generate.py` gives the same bytes every time.
"""

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

HERE = Path(__file__).parent
THINGS = ["Laptop", "Printer", "VPN", "Mailbox", "Badge reader", "Projector", "Wiki", "Payroll app"]
FAULTS = ["does not start", "is very slow", "loses its connection", "shows an error", "is missing"]
PLACES = ["Oslo", "Zürich", "São Paulo", "Kraków", "Nairobi"]
PEOPLE = ["Ada Novak", "Ben Okoye", "Chiara Rossi", "Dmitri Sund", "Élodie Petit", "Farid Aziz"]
GROUPS = ["Service Desk", "Network", "Field Services", "Applications"]
EPOCH = datetime(2024, 1, 8, 7, 30, tzinfo=UTC)


def incident(number: int, random: random.Random) -> dict[str, str]:
    opened = EPOCH + timedelta(minutes=37 * number)
    closed = random.random() < 0.7
    resolved = (opened + timedelta(hours=random.randrange(1, 90))) if closed else None
    thing, fault = random.choice(THINGS), random.choice(FAULTS)
    return {
        "sys_id": UUID(int=random.getrandbits(128), version=4).hex,
        "number": f"INC{number:07}",
        "short_description": f"{thing} {fault}",
        "description": f"{thing} in {random.choice(PLACES)} {fault}.\nReported by telephone.",
        "state": "7" if closed else random.choice("123"),
        "priority": random.choice("12344"),
        "impact": random.choice("123"),
        "urgency": random.choice("123"),
        "category": random.choice(["hardware", "software", "network"]),
        "assigned_to": random.choice(PEOPLE),
        "assignment_group": random.choice(GROUPS),
        "caller_id": random.choice(PEOPLE),
        "opened_at": f"{opened:%Y-%m-%d %H:%M:%S}",
        "resolved_at": f"{resolved:%Y-%m-%d %H:%M:%S}" if resolved else "",
        "u_building": random.choice(PLACES),
    }


def incidents(first: int, count: int, seed: int) -> list[dict[str, str]]:
    rng = random.Random(seed)  # noqa: S311
    return [incident(number, rng) for number in range(first, first + count)]


def spoil(records: list[dict[str, str]]) -> None:
    """What real exports hold: an unknown priority, an impossible date; and an empty title, which
    the number fills."""
    records[41]["priority"] = "urgent!!"
    records[612]["opened_at"] = "31/31/2024"
    records[1204]["short_description"] = ""


def write_xml(path: Path, records: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        file.write('<unload unload_date="2024-11-12 16:40:28">\n')
        for record in records:
            file.write('<incident action="INSERT_OR_UPDATE">')
            for name, value in record.items():
                if name in ("assigned_to", "assignment_group", "caller_id"):
                    reference = UUID(int=hash_of(value)).hex
                    file.write(f"<{name} display_value={quoteattr(value)}>{reference}</{name}>")
                else:
                    file.write(f"<{name}>{escape(value)}</{name}>" if value else f"<{name}/>")
            file.write("</incident>\n")
        file.write("</unload>\n")


def hash_of(value: str) -> int:
    return int.from_bytes(value.encode().ljust(16, b".")[:16], "big")


def write_csv(path: Path, records: list[dict[str, str]]) -> None:
    # ServiceNow's CSV is windows-1252 unless told otherwise.
    with path.open("w", encoding="cp1252", errors="replace", newline="") as file:
        writer = csv.DictWriter(file, records[0].keys(), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(records)


def main() -> None:
    exported = incidents(1, 2000, seed=1)
    write_xml(HERE / "incidents.xml", exported)
    # The second export overlaps the first one, repeats a row, and has bad rows.
    again = exported[1600:] + incidents(2001, 1700, seed=2)
    spoil(again)
    write_csv(HERE / "incidents.csv", [*again, again[-1]])


if __name__ == "__main__":
    main()
