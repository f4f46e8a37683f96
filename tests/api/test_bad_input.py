"""Bad files through the whole service: the named error, nothing written, and life goes on."""

from typing import Any

import pytest

from tests.api.migration.hostile_files import CSV, JSON, NAMED, XML, Case
from tests.service import Tenant

HEAD = b"number,title,status,priority,opened\n"
GOOD = HEAD + b"INC1,Printer on fire,New,1,2024-05-01\n"
STATUS = {"format_unsupported": 415, "compressed_unsupported": 415}


async def refusal(tenant: Tenant, case: Case) -> dict[str, Any]:
    """The refusal's fields that the case names; asserts that neither records nor objects remain."""
    name, content, problem = case
    response = await tenant.upload(content, name, sourceSystem="servicenow")
    body = response.json()
    assert response.headers["content-type"] == "application/problem+json", body
    assert response.status_code == body["status"] == STATUS.get(problem["code"], 422)
    assert body["detail"]
    assert tenant.stored_files() == []
    assert await tenant.records() == []
    if "jobId" in body:
        job = await tenant.job(body["jobId"])
        assert (job["status"], job["failure"]["code"]) == ("failed", problem["code"])
    return {member: body.get(member) for member in problem}


@pytest.mark.parametrize("case", NAMED.values(), ids=NAMED)
async def test_a_file_of_another_kind_never_becomes_a_job(tenant: Tenant, case: Case) -> None:
    assert await refusal(tenant, case) == case[2]
    assert (await tenant.get("/v1/migration")).json()["data"] == []


@pytest.mark.parametrize("case", XML.values(), ids=XML)
async def test_xml(tenant: Tenant, case: Case) -> None:
    assert await refusal(tenant, case) == case[2]


@pytest.mark.parametrize("case", JSON.values(), ids=JSON)
async def test_json(tenant: Tenant, case: Case) -> None:
    assert await refusal(tenant, case) == case[2]


@pytest.mark.parametrize("case", CSV.values(), ids=CSV)
async def test_csv(tenant: Tenant, case: Case) -> None:
    assert await refusal(tenant, case) == case[2]


async def test_the_worker_lives_on(tenant: Tenant) -> None:
    for case in (XML["billion laughs"], JSON["too deep"], CSV["field over 1 MiB"]):
        assert await refusal(tenant, case) == case[2]
        response = await tenant.upload(GOOD)
        assert (response.status_code, response.json()["preview"]["validRecords"]) == (201, 1)
        await tenant.post(f"/v1/migration/{response.json()['job']['id']}/cancel")
        await tenant.settled(response.json()["job"]["id"])


async def test_a_failed_job_has_no_preview_but_says_why(tenant: Tenant) -> None:
    response = await tenant.upload(b'number,title\n1,"a\n')
    job_id = response.json()["jobId"]
    preview = await tenant.get(f"/v1/migration/{job_id}/preview")
    assert (preview.status_code, preview.json()["code"]) == (409, "invalid_state")
    assert preview.json()["failure"]["code"] == "csv_unclosed_quote"
    executed = await tenant.post(f"/v1/migration/{job_id}/execute")
    assert (executed.status_code, executed.json()["code"]) == (409, "invalid_state")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", None])
@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/integrations"])
async def test_a_body_that_is_not_sent_as_json_is_told_so(
    tenant: Tenant, path: str, kind: str | None
) -> None:
    headers = tenant.headers | ({"Content-Type": kind} if kind else {})
    response = await tenant.service.http.post(path, content=b'{"name": "a"}', headers=headers)
    told = "send the body as JSON, with Content-Type: application/json"
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert response.json()["message"] == response.json()["detail"] == told


async def test_a_missing_body_is_called_so(tenant: Tenant) -> None:
    response = await tenant.service.http.post("/v1/integrations", headers=tenant.headers)
    assert response.json()["message"].endswith("(the body is missing)")


CSV_ROWS = {
    "ragged": (b"INC2,a,New,1,,more\n", "column_count_mismatch", None),
    "NUL": (b"INC2,a\0b,New,1,\n", "nul_not_storable", "title"),
    "year 99999": (b"INC2,a,New,1,99999-01-01\n", "date_out_of_range", "created_at"),
    "no date": (b"INC2,a,New,1,yesterday\n", "date_invalid", "created_at"),
    "no title": (b"INC2,,New,1,\n", "required_missing", "title"),
    "no id": (b",a,New,1,\n", "source_id_missing", "source_id"),
    "unknown status": (b"INC2,a,Marvellous,1,\n", "unknown_value", "status"),
    "priority NaN": (b"INC2,a,New,NaN,\n", "unknown_value", "priority"),
    "priority beyond 64 bits": (b"INC2,a,New,99999999999999999999,\n", "unknown_value", "priority"),
}
_RECORD = (
    '{"sys_id": "%s", "number": "INC", "short_description": "a", "state": "1", "priority": 1%s}'
)
JSON_ROWS = {
    "duplicate key": ('"number": 1, "number": 2', "json_duplicate_key", "number"),
    "NUL": (r'"number": "\u0000"', "nul_not_storable", "number"),
    "no object": (None, "record_not_object", None),
}
XML_ROWS = {
    "field twice": ("<state>1</state><state>2</state>", "xml_duplicate_field"),
    "NUL": ("<state>&#0;</state>", "xml_char_invalid"),
    "unknown entity": ("<state>&nbsp;1</state>", "xml_malformed"),
}


class TestOneBadRecord:
    """The file is accepted; the second of three records is rejected and named."""

    async def fault(self, tenant: Tenant, uploaded: Any) -> tuple[str, str | None]:
        """The bad record's entry in the list of errors: code and field."""
        job_id, preview = uploaded["job"]["id"], uploaded["preview"]
        counts = [preview[name] for name in ("totalRecords", "validRecords", "invalidRecords")]
        assert counts == [3, 2, 1]
        shown, listed = (
            [(each["row"], each["code"], each["field"]) for each in errors]
            for errors in (preview["errors"], await tenant.errors(job_id))
        )
        assert shown == listed
        [(row, code, field)] = listed
        assert row == 2
        job = await tenant.execute(job_id)
        assert (job["status"], job["report"]["outcome"]) == ("preview", "validation_failed")
        assert await tenant.records() == []
        job = await tenant.execute(job_id, continueOnError=True)
        assert (job["status"], job["successfulRecords"], job["failedRecords"]) == (
            "completed",
            2,
            1,
        )
        assert [record["source_row"] for record in await tenant.records()] == [1, 3]
        return code, field

    @pytest.mark.parametrize("name", CSV_ROWS)
    async def test_csv(self, tenant: Tenant, name: str) -> None:
        bad, code, field = CSV_ROWS[name]
        response = await tenant.upload(GOOD + bad + b"INC3,Mail is slow,New,2,2024-05-02\n")
        assert await self.fault(tenant, response.json()) == (code, field)

    @pytest.mark.parametrize("name", JSON_ROWS)
    async def test_json(self, tenant: Tenant, name: str) -> None:
        members, code, field = JSON_ROWS[name]
        bad = "17" if members is None else f'{{"sys_id": "2", {members}}}'
        content = f"[{_RECORD % ('1', '')}, {bad}, {_RECORD % ('3', '')}]"
        response = await tenant.upload(content.encode(), "a.json", sourceSystem="servicenow")
        assert await self.fault(tenant, response.json()) == (code, field)

    @pytest.mark.parametrize("name", XML_ROWS)
    async def test_xml(self, tenant: Tenant, name: str) -> None:
        fields, code = XML_ROWS[name]
        sound = (
            "<incident><sys_id>{}</sys_id><short_description>a</short_description>"
            "<state>1</state><priority>1</priority></incident>"
        )
        bad = f"<incident><sys_id>2</sys_id>{fields}</incident>"
        content = f"<unload>{sound.format(1)}{bad}{sound.format(3)}</unload>"
        response = await tenant.upload(content.encode(), "a.xml", sourceSystem="servicenow")
        assert await self.fault(tenant, response.json()) == (code, "state")


class TestHarmless:
    """Inputs that look bad but are valid."""

    async def test_a_byte_order_mark(self, tenant: Tenant) -> None:
        content = f"\ufeff[{_RECORD % ('1', '')}]".encode()
        response = await tenant.upload(content, "a.json", sourceSystem="servicenow")
        assert response.json()["preview"]["validRecords"] == 1

    async def test_xinclude_stays_markup(self, tenant: Tenant) -> None:
        include = '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/hostname"/>'
        content = f"<unload><incident><sys_id>1</sys_id><a>{include}</a></incident></unload>"
        response = await tenant.upload(content.encode(), "a.xml", sourceSystem="servicenow")
        (sample,) = response.json()["preview"]["sampleRecords"]
        assert sample["source"]["a"].startswith("<i:include")

    async def test_windows_1252_is_read_and_said(self, tenant: Tenant) -> None:
        response = await tenant.upload(HEAD + b"1,caf\xe9 \x80,New,1,\n")
        preview = response.json()["preview"]
        assert preview["encoding"] == "windows-1252"
        assert any("windows-1252" in warning for warning in preview["warnings"])
        assert preview["sampleRecords"][0]["mapped"]["title"] == "café €"

    async def test_a_header_without_records_completes_with_a_warning(self, tenant: Tenant) -> None:
        job = await tenant.migrate(HEAD)
        assert (job["status"], job["totalRecords"]) == ("completed", 0)
        assert job["warnings"] == ["the file holds no records"]

    async def test_a_formula_is_stored_as_it_is(self, tenant: Tenant) -> None:
        await tenant.migrate(HEAD + b"1,=cmd|' /C calc'!A0,New,1,\n")
        (record,) = await tenant.records()
        assert record["title"] == "=cmd|' /C calc'!A0"


async def test_the_list_of_faults_is_bounded_and_says_so(tenant: Tenant) -> None:
    response = await tenant.upload(HEAD + b",,,,\n" * 10_001)
    job_id, cursor, codes = response.json()["job"]["id"], None, []
    while True:
        query = {"limit": 1000} | ({"cursor": cursor} if cursor else {})
        page = (await tenant.get(f"/v1/migration/{job_id}/errors", **query)).json()
        codes += [each["code"] for each in page["data"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert len(codes) == 10_001
    assert codes[-1] == "too_many_row_errors"
