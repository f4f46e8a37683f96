"""A migration as a client of the HTTP API sees it."""

from tests.service import Tenant

CSV = b"""number,title,status,priority,opened,colour
INC1,Printer on fire,New,1,2024-05-01 08:00:00,Oslo
INC2,Mail is slow,Resolved,3,2024-05-02 09:30:00,
INC2,Mail is slow again,Closed,4,2024-05-03 09:30:00,Bergen
"""


async def test_upload_answers_with_a_preview_of_the_whole_file(tenant: Tenant) -> None:
    response = await tenant.upload(CSV)
    assert response.status_code == 201, response.text
    job, preview = response.json()["job"], response.json()["preview"]
    assert (job["status"], job["phase"]) == ("preview", "awaiting_execute")
    assert job["totalRecords"] == preview["totalRecords"] == 3
    assert preview["validRecords"] == 3
    assert preview["duplicateRecords"] == 1
    assert preview["unmappedFields"] == ["colour"]
    assert preview["sampleRecords"][0]["mapped"]["title"] == "Printer on fire"


async def test_execute_imports_and_cleans_up(tenant: Tenant) -> None:
    job = await tenant.migrate(CSV)
    assert job["status"] == "completed"
    assert (job["successfulRecords"], job["skippedRecords"], job["failedRecords"]) == (2, 1, 0)
    first, second = await tenant.records()
    assert (first["external_id"], first["priority"], first["status"]) == ("INC1", 1, "new")
    assert first["created_at"] == "2024-05-01T08:00:00Z"
    assert first["custom"] == {"colour": "Oslo"}
    assert second["title"] == "Mail is slow"
    assert tenant.stored_files() == []


async def test_update_existing_lets_the_last_row_win(tenant: Tenant) -> None:
    uploaded = await tenant.upload(CSV)
    job = await tenant.execute(uploaded.json()["job"]["id"], updateExisting=True)
    assert (job["successfulRecords"], job["updatedRecords"], job["skippedRecords"]) == (2, 1, 0)
    titles = {row["external_id"]: row["title"] for row in await tenant.records()}
    assert titles == {"INC1": "Printer on fire", "INC2": "Mail is slow again"}


async def test_the_list_goes_by_a_status_that_there_is(tenant: Tenant) -> None:
    job_id = (await tenant.upload(CSV)).json()["job"]["id"]
    for status, ids in (("preview", [job_id]), ("completed", []), ("processing", [])):
        listed = (await tenant.get("/v1/migration", status=status)).json()["data"]
        assert [each["id"] for each in listed] == ids
    for status in ("foo", "\0", ""):
        refused = await tenant.get("/v1/migration", status=status)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert refused.json()["errors"][0]["pointer"] == "/status"
