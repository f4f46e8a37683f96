"""From upload to record: settings are obeyed, and records that are left out are reported."""

import json
from typing import Any

import pytest

from tests.service import Tenant

_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<unload>'
    '<incident action="INSERT_OR_UPDATE"><sys_id>{id}</sys_id><number>INC1</number>'
    "<short_description>t</short_description><state>1</state><priority>2</priority>"
    "<opened_at>2025-07-25 16:00:00</opened_at></incident>{more}</unload>"
)
_OTHERS = "<u_vip action='INSERT_OR_UPDATE'><sys_id>b</sys_id></u_vip><sys_journal_field/>"


async def uploaded(tenant: Tenant, content: bytes, name: str, **fields: str) -> Any:
    system = {} if name.endswith("csv") else {"sourceSystem": "servicenow"}
    return (await tenant.upload(content, name, **(system | fields))).json()


def table_api(opened: str, **more: Any) -> bytes:
    record = {
        "sys_id": "a" * 32,
        "number": "INC1",
        "short_description": "Badge reader",
        "state": "In Progress",
        "priority": "3 - Moderate",
        "opened_at": opened,
    }
    return json.dumps({"result": [record | more]}).encode()


@pytest.mark.parametrize(
    ("zone", "created_at"),
    [("America/Los_Angeles", "2025-07-25T16:00:00Z"), (None, "2025-07-25T09:00:00Z")],
)
async def test_the_zone_of_displayed_values_is_the_users(
    tenant: Tenant, zone: str | None, created_at: str
) -> None:
    fields = {} if zone is None else {"sourceTimezone": zone}
    content = table_api("2025-07-25 09:00:00")
    job = (await uploaded(tenant, content, "a.json", **fields))["job"]
    await tenant.execute(job["id"])
    [record] = await tenant.records()
    assert record["created_at"] == created_at


async def test_displayed_values_without_a_zone_are_pointed_out(tenant: Tenant) -> None:
    displayed = await uploaded(tenant, table_api("2025-07-25 09:00:00"), "a.json")
    assert any("sourceTimezone" in each for each in displayed["preview"]["recommendations"])
    stored = table_api("2025-07-25 09:00:00", state="2", priority="3")
    found = (await uploaded(tenant, stored, "a.json"))["preview"]
    assert not any("sourceTimezone" in each for each in found["recommendations"])
    zoned = await uploaded(tenant, stored, "a.json", sourceTimezone="America/Los_Angeles")
    assert any("read in America/Los_Angeles" in each for each in zoned["preview"]["warnings"])


async def test_of_values_that_are_both_stored_and_displayed_the_stored_are_utc(
    tenant: Tenant,
) -> None:
    opened = {"display_value": "07/25/2025 09:00:00", "value": "2025-07-25 16:00:00"}
    content = table_api("", opened_at=opened)
    refused = await uploaded(tenant, content, "a.json", sourceTimezone="America/Los_Angeles")
    assert refused["code"] == "time_zone_contradicted"
    for fields in ({}, {"sourceTimezone": "UTC"}):
        job = (await uploaded(tenant, content, "a.json", **fields))["job"]
        await tenant.execute(job["id"])
    [record] = await tenant.records()
    assert record["created_at"] == "2025-07-25T16:00:00Z"


async def test_a_name_counts_where_other_records_have_references(tenant: Tenant) -> None:
    [first] = json.loads(table_api("2025-07-25 09:00:00"))["result"]
    people = ({"value": "7a", "display_value": "Ana"}, "Bo", {"value": "7c"}, "")
    records = [
        first | {"sys_id": str(number), "assigned_to": each} for number, each in enumerate(people)
    ]
    job = (await uploaded(tenant, json.dumps({"result": records}).encode(), "a.json"))["job"]
    await tenant.execute(job["id"])
    named = {each["source_id"]: each["assigned_to"] for each in await tenant.records()}
    assert named == {"0": "Ana", "1": "Bo", "2": "7c", "3": None}


async def test_a_zone_that_contradicts_the_format_is_refused(tenant: Tenant) -> None:
    content = _XML.format(id="a" * 32, more="").encode()
    refused = await uploaded(tenant, content, "a.xml", sourceTimezone="Europe/Berlin")
    assert refused["code"] == "time_zone_contradicted"
    assert "mapping.sourceTimezone" in refused["detail"]
    taken = await uploaded(tenant, content, "a.xml", sourceTimezone="UTC")
    await tenant.execute(taken["job"]["id"])
    [record] = await tenant.records()
    assert record["created_at"] == "2025-07-25T16:00:00Z"


async def test_what_is_left_out_is_said_in_the_job(tenant: Tenant) -> None:
    content = _XML.format(id="a" * 32, more=_OTHERS).encode()
    job = (await uploaded(tenant, content, "a.xml"))["job"]
    job = await tenant.execute(job["id"])
    assert job["ignoredRecords"] == {"u_vip": 1, "sys_journal_field": 1}
    assert "1 u_vip, 1 sys_journal_field" in job["warnings"][0]
    assert job["totalRecords"] == job["successfulRecords"] == 1


async def test_what_the_sender_says_of_a_failure_is_said_in_preview_and_job(
    tenant: Tenant,
) -> None:
    record = json.loads(table_api("2025-07-25 09:00:00"))["result"][0]
    failed = {"error": {"message": "Query stopped"}, "status": "failure"}
    content = json.dumps({"result": [record], **failed}).encode()
    found = await uploaded(tenant, content, "a.json")
    for shown in (found["preview"], await tenant.execute(found["job"]["id"])):
        assert any("Query stopped" in each for each in shown["warnings"])
    refused = await uploaded(tenant, json.dumps(failed).encode(), "a.json")
    assert refused["code"] == "no_records_found"
    assert "Query stopped" in refused["detail"]


async def test_an_export_at_the_vendors_limit_is_pointed_out(tenant: Tenant) -> None:
    rows = "".join(f"INC{number},t,New,1\n" for number in range(10_000))
    content = f"number,short_description,state,priority\n{rows}".encode()
    limit = await uploaded(tenant, content, "a.csv", sourceSystem="servicenow")
    assert any("exactly 10,000" in each for each in limit["job"]["warnings"])
    other = await uploaded(tenant, content.replace(b"short_description", b"title"), "a.csv")
    assert other["job"]["warnings"] == []


@pytest.mark.parametrize(("charset", "name"), [("shift_jis", "プリンター"), ("cp1251", "Принтер")])
async def test_a_charset_can_be_named(tenant: Tenant, charset: str, name: str) -> None:
    content = f"number,title,status,priority\n1,{name},New,1\n".encode(charset)
    job = (await uploaded(tenant, content, "a.csv", charset=charset))["job"]
    await tenant.execute(job["id"])
    [record] = await tenant.records()
    assert record["title"] == name


@pytest.mark.parametrize(("told", "delimiter"), [("tab", "\t"), ("¤", "¤"), (";", ";")])
async def test_a_delimiter_can_be_named(tenant: Tenant, told: str, delimiter: str) -> None:
    lines = ("number,title,status,priority", "1,a,New,1")
    content = "\n".join(lines).replace(",", delimiter).encode()
    found = await uploaded(tenant, content, "a.csv", delimiter=told)
    assert (found["preview"]["delimiter"], found["preview"]["validRecords"]) == (delimiter, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("charset", "no-such"),
        ("charset", "rot13"),
        ("delimiter", ""),
        ("delimiter", "ab"),
        ("delimiter", '"'),
        ("delimiter", "x"),
    ],
)
async def test_a_name_that_cannot_be_is_refused(tenant: Tenant, field: str, value: str) -> None:
    refused = await uploaded(tenant, b"a,b\n1,2\n", "a.csv", **{field: value})
    assert refused["code"] == "invalid_request"
    assert refused["errors"][0]["pointer"] == f"/{field}"


@pytest.mark.parametrize("name", ["a.csv", "a.json"])
async def test_a_login_page_is_called_one(tenant: Tenant, name: str) -> None:
    page = b"\n<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>"
    refused = await uploaded(tenant, page, name)
    assert refused["code"] == "format_mismatch"
    assert "login page" in refused["detail"]


async def test_a_character_that_xml_forbids_costs_its_record_alone(tenant: Tenant) -> None:
    bell = "<incident><sys_id>b</sys_id><number>INC2</number><state>&#31;</state></incident>"
    content = _XML.format(id="a" * 32, more=bell).encode()
    found = (await uploaded(tenant, content, "a.xml"))["preview"]
    [error] = found["errors"]
    assert (error["row"], error["field"], error["code"]) == (2, "state", "xml_char_invalid")
    assert "xmlParse" not in error["detail"]
    job = await tenant.execute(found["jobId"], continueOnError=True)
    assert (job["successfulRecords"], job["failedRecords"]) == (1, 1)
