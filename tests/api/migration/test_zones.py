"""Local times as they are stored: by the pinned zone table, whichever way they come in."""

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest

from tests.domain.values import zone_table
from tests.service import Tenant

_local = datetime.fromisoformat
FILLED = ("updated_at", "due_at", "closed_at", "resolved_at")  # by defaults


def around_changes(zone: str) -> list[datetime]:
    found = zone_table.changes(zone, 2024, 2030)
    return [local for change in found for local in change.local_times()] or [_local("2026-11-20")]


def mapping(defaults: list[datetime], **more: Any) -> str:
    fields = [
        *({"sourceField": name, "targetField": name} for name in ("title", "status", "priority")),
        {"sourceField": "number", "targetField": "external_id"},
        {"sourceField": "created_at", "targetField": "created_at"},
        *(
            {"sourceField": "none", "targetField": name, "defaultValue": local.isoformat()}
            for name, local in zip(FILLED, defaults, strict=True)
        ),
    ]
    return json.dumps({"fieldMappings": fields, **more})


async def check_zone(tenant: Tenant, zone: str) -> int:
    """Import every time around the zone's changes; how many values were looked at."""
    locals_ = around_changes(zone)
    defaults = (locals_ * 4)[-4:]
    lines = (f"{zone}{n},Zone,New,1,{local:%Y-%m-%d %H:%M:%S}" for n, local in enumerate(locals_))
    csv = "\n".join(["number,title,status,priority,created_at", *lines]).encode()
    job = await tenant.migrate(csv, sourceTimezone=zone, mapping=mapping(defaults))
    assert (job["status"], job["successfulRecords"]) == ("completed", len(locals_)), zone
    records = {each["external_id"]: each for each in await tenant.records(job=job["id"])}
    for number, local in enumerate(locals_):
        record = records[f"{zone}{number}"]
        assert _local(record["created_at"]) == zone_table.instant(local, zone), (zone, local)
        for name, default in zip(FILLED, defaults, strict=True):
            assert _local(record[name]) == zone_table.instant(default, zone), (zone, default)
    return len(locals_) * (1 + len(FILLED))


async def test_what_is_stored_is_what_the_pinned_table_says(tenant: Tenant) -> None:
    assert len(zone_table.PLACES) >= 40
    room = asyncio.Semaphore(3)

    async def check(zone: str) -> int:
        async with room:
            return await check_zone(tenant, zone)

    checked = await asyncio.gather(*map(check, zone_table.PLACES))
    print(f"{len(checked)} zones, {sum(checked)} stored values")


@pytest.mark.parametrize("zone", ["CET", "EST", "+05:30", "Mars/Olympus"])
async def test_a_zone_of_no_place_is_refused_where_it_is_named(tenant: Tenant, zone: str) -> None:
    csv = b"number,title,status,priority\nA,a,New,1\n"
    upload = await tenant.upload(csv, sourceTimezone=zone)
    assert upload.status_code == 422
    (fault,) = upload.json()["errors"]
    assert fault["pointer"] == "/sourceTimezone"
    assert "name a place" in fault["detail"]
    assert not fault["detail"].startswith("Value error")  # a sentence, not the library's
    mapped = await tenant.upload(
        csv, mapping=mapping([_local("2024-01-01")] * 4, sourceTimezone=zone)
    )
    assert mapped.status_code == 422
    (fault,) = mapped.json()["errors"]
    assert fault["pointer"].endswith("/sourceTimezone")
    assert "name a place" in fault["detail"]
