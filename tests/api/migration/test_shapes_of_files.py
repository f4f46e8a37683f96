"""Files as people upload them and their meaning: one for every kind in docs/faults.md."""

import json
from typing import Any, NamedTuple

import pytest

from tests.service import Tenant


class Import(NamedTuple):
    """The outcome of an import; `records` by their ids."""

    job: dict[str, Any]
    preview: dict[str, Any]
    records: dict[str, dict[str, Any]]

    def values(self, name: str) -> dict[str, Any]:
        return {id: each[name] for id, each in self.records.items()}

    @property
    def advice(self) -> str:
        return " ".join((*self.preview["warnings"], *self.preview["recommendations"]))


HEAD = "Number,Title,Status,Priority"
SERVICENOW = {"sourceSystem": "servicenow"}


async def brought(
    tenant: Tenant, content: str | bytes, name: str = "a.csv", *, options: Any = None, **fields: str
) -> Import:
    raw = content.encode() if isinstance(content, str) else content
    uploaded = await tenant.upload(raw, name, **fields)
    assert uploaded.status_code == 201, uploaded.text
    answer = uploaded.json()
    asked = {"continueOnError": True} | (options or {})
    job = await tenant.execute(answer["job"]["id"], **asked)
    assert job["status"] == "completed", job
    rows = await tenant.records(job=job["id"])
    return Import(job, answer["preview"], {each["source_id"]: each for each in rows})


def mapping(**fields: str) -> str:
    """Of a file's columns to fields, and how dates are read (`dateFormat`)."""
    date_format = fields.pop("dateFormat", None)
    mapped = [{"sourceField": theirs, "targetField": ours} for ours, theirs in fields.items()]
    return json.dumps({"fieldMappings": mapped, "dateFormat": date_format})


async def test_a_priority_is_what_its_word_says(tenant: Tenant) -> None:
    labels = ("1 low", "3 high", "5 very high", "1 very low", "4 - Critical", "P1 - Low")
    rows = "".join(f"\nT{number},t,New,{label}" for number, label in enumerate(labels))
    found = (await brought(tenant, HEAD + rows)).values("priority")
    assert list(found.values()) == [4, 2, 1, 4, 1, 4]


async def test_a_failure_beside_the_records_is_told(tenant: Tenant) -> None:
    record = {"sys_id": "a" * 32, "number": "INC1", "short_description": "t", "state": "1"}
    body = {"result": [record | {"priority": "3"}], "error": {"message": "Time is up"}}
    content = json.dumps(body | {"status": "failure"})
    assert "Time is up" in (await brought(tenant, content, "a.json", **SERVICENOW)).advice


async def test_displayed_times_are_in_the_zone_that_was_named(tenant: Tenant) -> None:
    record = {"sys_id": "a" * 32, "number": "INC1", "short_description": "t"}
    shown = {"state": "New", "priority": "3 - Moderate", "opened_at": "07/25/2025 09:00:00"}
    content, zone = json.dumps({"result": [record | shown]}), "America/Los_Angeles"
    found = await brought(tenant, content, "a.json", **SERVICENOW, sourceTimezone=zone)
    assert found.values("created_at") == {"a" * 32: "2025-07-25T16:00:00Z"}


async def test_one_bad_byte_costs_one_record(tenant: Tenant) -> None:
    rows = "".join(f"\nT{number},Büro – Café {number},New,2" for number in range(3))
    content = (HEAD + rows + "\nT3,Caf@,New,2").encode().replace(b"@", b"\xe9")
    found = await brought(tenant, content)
    assert [*found.values("title").values()] == [f"Büro – Café {number}" for number in range(3)]
    [error] = await tenant.errors(found.job["id"])
    assert (error["row"], error["code"]) == (4, "encoding_invalid")


async def test_records_of_other_tables_are_left_out(tenant: Tenant) -> None:
    tables = {"c": "change_request", "p": "problem", "i": "incident"}
    records = [
        {"sys_id": id, "sys_class_name": table, "short_description": "t", "state": "3"}
        | {"number": id, "priority": "4"}
        for id, table in tables.items()
    ]
    found = await brought(tenant, json.dumps({"result": records}), "a.json", **SERVICENOW)
    assert [*found.records] == ["i"]
    assert found.job["ignoredRecords"] == {"change_request": 1, "problem": 1}


async def test_an_update_keeps_what_its_file_does_not_have(tenant: Tenant) -> None:
    await brought(tenant, f"{HEAD},Building\nU1,t,New,2,HQ")
    later = await brought(tenant, f"{HEAD}\nU1,u,New,2", options={"updateExisting": True})
    assert later.values("title") == {"U1": "u"}
    assert later.values("custom") == {"U1": {"Building": "HQ"}}


async def test_blanks_are_no_id(tenant: Tenant) -> None:
    found = await brought(tenant, f"{HEAD}\n ,a,New,2\n\u00a0,b,New,2\nT1,c,New,2")
    assert [*found.records] == ["T1"]
    assert {each["code"] for each in await tenant.errors(found.job["id"])} == {"source_id_missing"}


async def test_the_header_of_a_second_file_is_no_record(tenant: Tenant) -> None:
    given = json.loads(mapping(external_id="Number", title="Title", status="Status"))
    given["fieldMappings"] += [{"sourceField": "Priority", "targetField": "priority"}]
    given["statusMappings"] = [{"sourceStatus": "*", "targetStatus": "new"}]
    given["priorityMappings"] = [{"sourcePriority": "*", "targetPriority": 3}]
    content = f"{HEAD}\nT1,a,Neu,Mittel\n{HEAD}\nT2,b,Neu,Hoch"
    found = await brought(tenant, content, mapping=json.dumps(given))
    assert [*found.records] == ["T1", "T2"]


async def test_a_column_that_a_mapping_names_is_found_or_missed_aloud(tenant: Tenant) -> None:
    names = {"external_id": "number", "title": "title", "status": "Status", "priority": "Priority"}
    given = mapping(**names, description="description", created_at="Opened")
    content = "number,Title,Status,Priority,Description\nT1,t,New,2,All of it"
    found = await brought(tenant, content, mapping=given)
    assert found.values("description") == {"T1": "All of it"}
    assert "'Opened'" in found.advice


async def test_the_state_of_the_incident_counts(tenant: Tenant) -> None:
    head = "number,short_description,state,incident_state,priority,active"
    content = f"{head}\nINC1,t,3,7,3,false\nINC2,t,7,8,3,false"
    found = await brought(tenant, content, **SERVICENOW)
    assert found.values("status") == {"INC1": "closed", "INC2": "cancelled"}
    assert found.preview["remarks"]


async def test_a_ticket_is_known_by_its_number_where_it_had_no_other_id(tenant: Tenant) -> None:
    head = "number,short_description,state,priority"
    await brought(tenant, f"{head}\nINC7,t,New,3 - Moderate", **SERVICENOW)
    record = {"number": "INC7", "sys_id": "7" * 32, "short_description": "t"}
    content = json.dumps({"records": [record | {"state": "1", "priority": "3"}]})
    found = await brought(tenant, content, "a.json", **SERVICENOW)
    assert found.job["skippedRecords"] == 1
    assert len(await tenant.records()) == 1


async def test_a_blank_before_a_quote_is_not_the_value(tenant: Tenant) -> None:
    content = 'Number, Title, Status, Priority\nT1, "Broken", New, 2\nT2, "Mail, news", New, 3'
    found = await brought(tenant, content)
    assert found.values("title") == {"T1": "Broken", "T2": "Mail, news"}


async def test_what_the_exporter_puts_before_formulas_is_taken_off(tenant: Tenant) -> None:
    head = "number,short_description,state,priority,assigned_to"
    content = f"{head}\nINC1,'- printer jam,New,2 - High,'=cmd"
    found = await brought(tenant, content, **SERVICENOW)
    assert found.values("title") == {"INC1": "- printer jam"}
    assert found.values("assigned_to") == {"INC1": "=cmd"}


@pytest.mark.parametrize(
    "content",
    [
        "Number;Title;Status;Priority;\nT1;t;New;2;",
        "Number;Title;Status;Priority\nT1;t;New;2;",
        "Number;Title;Status;Priority;Notes\nT1;t;New;2\n",
    ],
)
async def test_delimiters_at_the_ends_of_lines_are_harmless(tenant: Tenant, content: str) -> None:
    assert (await brought(tenant, content)).values("title") == {"T1": "t"}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
async def test_wide_text_is_read_with_or_without_a_mark(tenant: Tenant, encoding: str) -> None:
    csv = await brought(tenant, f"{HEAD}\nT1,Büro,New,2\n".encode(encoding))
    assert csv.values("title") == {"T1": "Büro"}
    record = {"sys_id": "1", "number": "1", "short_description": "Büro", "state": "1"}
    text = json.dumps({"records": [record | {"priority": "3"}]}, ensure_ascii=False)
    json_ = await brought(tenant, text.encode(encoding), "a.json", **SERVICENOW)
    assert json_.values("title") == {"1": "Büro"}


async def test_json_may_be_a_record_a_line(tenant: Tenant) -> None:
    record = {"short_description": "t", "state": "2", "priority": "3"}
    lines = [json.dumps(record | {"sys_id": id, "number": id}) for id in ("a", "b")]
    found = await brought(tenant, "\n".join(lines), "a.json", **SERVICENOW)
    assert [*found.records] == ["a", "b"]


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("7/25/2025 3:42\u202fPM", "2025-07-25T15:42:00Z"),
        ("7/25/2025 3:42\u00a0PM", "2025-07-25T15:42:00Z"),
        ("2025-07-25 10:15:00+00", "2025-07-25T10:15:00Z"),
        ("2025-07-25 10:15:00.123456-07", "2025-07-25T17:15:00.123456Z"),
    ],
)
async def test_a_date_is_read_as_its_program_wrote_it(
    tenant: Tenant, written: str, time: str
) -> None:
    found = await brought(tenant, f"{HEAD},Created\nT1,t,New,2,{written}")
    assert found.values("created_at") == {"T1": time}


async def test_dates_with_dots_are_in_the_order_that_one_of_them_proves(tenant: Tenant) -> None:
    content = f"{HEAD},Created\nT1,t,New,2,03.04.2024 10:00\nT2,t,New,2,12.25.2024 10:00"
    found = await brought(tenant, content)
    assert [each[:10] for each in found.values("created_at").values()] == [
        "2024-03-04",
        "2024-12-25",
    ]


async def test_a_state_that_is_displayed_as_another_is_pointed_out(tenant: Tenant) -> None:
    state = {"value": "3", "display_value": "Closed"}
    record = {"sys_id": "1", "number": "1", "short_description": "t", "state": state}
    content = json.dumps({"result": [record | {"priority": "3"}]})
    found = await brought(tenant, content, "a.json", **SERVICENOW)
    assert "fields_disagree" in {each["code"] for each in found.preview["remarks"]}


async def test_what_stands_in_for_a_number_identifies_as_well(tenant: Tenant) -> None:
    given = json.loads(mapping(title="Title", status="Status", priority="Priority"))
    number = {"sourceField": "number", "targetField": "external_id"}
    given["fieldMappings"].append(number | {"fallbackFields": ["ticket"]})
    content = "ticket,Title,Status,Priority\nT1,t,New,2"
    found = await brought(tenant, content, mapping=json.dumps(given))
    assert found.values("external_id") == {"T1": "T1"}


async def test_a_field_may_be_called_by_a_pattern(tenant: Tenant) -> None:
    record = {"short_description": "t", "state": "1", "priority": "3", "*": "a", "^b$": "b"}
    records = [record | {"sys_id": id, "number": id} for id in ("1", "2")]
    content = json.dumps({"records": records})
    found = await brought(tenant, content, "a.json", **SERVICENOW)
    assert found.values("custom") == {id: {"*": "a", "^b$": "b"} for id in ("1", "2")}


async def test_a_year_of_two_digits_is_no_year_of_four(tenant: Tenant) -> None:
    names = {"external_id": "Number", "title": "Title", "status": "Status", "priority": "Priority"}
    given = mapping(**names, created_at="Created", dateFormat="%d/%m/%Y %H:%M")
    content = f"{HEAD},Created\nT1,t,New,2,01/02/25 10:00\nT2,t,New,2,01/02/2025 10:00"
    found = await brought(tenant, content, mapping=given)
    assert found.values("created_at") == {"T2": "2025-02-01T10:00:00Z"}
    assert (await tenant.errors(found.job["id"]))[0]["code"] == "date_invalid"


async def test_what_is_left_out_of_xml_is_said_in_the_job(tenant: Tenant) -> None:
    fields = "<short_description>t</short_description><state>1</state><priority>2</priority>"
    content = (
        f"<unload><incident><sys_id>1</sys_id>{fields}</incident>"
        f"<u_ext><sys_id>2</sys_id>{fields}</u_ext><sys_journal_field/></unload>"
    )
    found = await brought(tenant, content, "a.xml", **SERVICENOW)
    assert found.job["ignoredRecords"] == {"u_ext": 1, "sys_journal_field": 1}
    assert any("u_ext" in each for each in found.job["warnings"])


async def test_texts_that_mean_nothing_are_pointed_out(tenant: Tenant) -> None:
    head = "number,short_description,state,priority"
    content = f"{head}\nI1,null,Closed,4 - Low\nI2,null,Closed,4 - Low"
    found = await brought(tenant, content, **SERVICENOW)
    assert "null" in found.advice + json.dumps(found.preview["remarks"])


async def test_who_wants_no_duplicate_skipped_is_told_of_each(tenant: Tenant) -> None:
    content = f"{HEAD}\nS1,a,New,2\nS1,b,New,2"
    found = await brought(tenant, content, options={"skipDuplicates": False})
    assert (found.job["skippedRecords"], found.job["failedRecords"]) == (0, 1)
    assert [each["code"] for each in await tenant.errors(found.job["id"])] == ["duplicate_record"]


async def test_a_character_that_xml_forbids_costs_one_record(tenant: Tenant) -> None:
    fields = "<state>1</state><priority>2</priority></incident>"
    title = "<incident><sys_id>{}</sys_id><short_description>{}</short_description>" + fields
    content = f"<unload>{title.format(1, 't')}{title.format(2, 'bell &#x1F; here')}</unload>"
    found = await brought(tenant, content, "a.xml", **SERVICENOW)
    assert [*found.records] == ["1"]
    [error] = await tenant.errors(found.job["id"])
    assert (error["row"], error["field"]) == (2, "short_description")
