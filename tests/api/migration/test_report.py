"""Errors as a list and as CSV, and progress as a stream of events."""

import csv
import io
import json
from typing import Any

import httpx

from tests.api.conftest import Live
from tests.faults.exports import export
from tests.service import Tenant

HEAD = b"number,title,status,priority\n"
FORMULAS = ("=cmd|' /C calc'!A0", "+1", "-1", "@sum(1)", "\tx", "＝1", "＋1", "－1", "＠1")
FAULTY = HEAD + b"".join(f'"{n}",a,"{word}",1\n'.encode() for n, word in enumerate(FORMULAS))


async def uploaded(tenant: Tenant, content: bytes) -> str:
    job_id: str = (await tenant.upload(content)).json()["job"]["id"]
    return job_id


class TestErrors:
    async def test_are_listed_a_page_at_a_time(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, FAULTY)
        rows: list[int] = []
        query: dict[str, Any] = {"limit": 4}
        while "cursor" not in query or query["cursor"]:
            page = (await tenant.get(f"/v1/migration/{job_id}/errors", **query)).json()
            rows += [each["row"] for each in page["data"]]
            query["cursor"] = page["nextCursor"]
        assert rows == list(range(1, len(FORMULAS) + 1))

    async def test_the_csv_is_a_download_that_no_spreadsheet_runs(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, FAULTY)
        response = await tenant.get(f"/v1/migration/{job_id}/errors.csv")
        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert response.headers["content-disposition"].startswith("attachment; filename=")
        assert response.headers["x-content-type-options"] == "nosniff"
        head, *rows = csv.reader(io.StringIO(response.text, newline=""))
        assert head == ["row", "sourceId", "field", "code", "detail", "value"]
        listed = await tenant.errors(job_id)
        assert [int(row[0]) for row in rows] == [each["row"] for each in listed]
        assert [row[5] for row in rows] == [f"'{each['value']}" for each in listed]
        assert all(line.startswith('"') for line in response.text.splitlines())

    async def test_the_csv_has_more_rows_than_a_page(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, HEAD + b"1,a,Marvellous,1\n" * 2_500)
        response = await tenant.get(f"/v1/migration/{job_id}/errors.csv")
        rows = list(csv.reader(io.StringIO(response.text, newline="")))[1:]
        assert [int(row[0]) for row in rows] == list(range(1, 2_501))

    async def test_no_errors_are_a_header(self, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, HEAD + b"1,a,New,1\n")
        response = await tenant.get(f"/v1/migration/{job_id}/errors.csv")
        assert len(response.text.splitlines()) == 1


class TestEvents:
    """Streams that do not end at once are read through a socket: an in-process transport shows
    nothing before the end."""

    async def test_tell_progress_and_the_end(self, live: Live, tenant: Tenant) -> None:
        job_id = await uploaded(tenant, HEAD + b"1,a,New,1\n")
        events: list[tuple[str, dict[str, Any]]] = []
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{live.port}", timeout=60) as http,
            http.stream(
                "GET", f"/v1/migration/{job_id}/events", headers=tenant.headers
            ) as response,
        ):
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert response.headers["cache-control"] == "no-store"
            kind = ""
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    events.append((kind, json.loads(value)))
                    if len(events) == 1:
                        await tenant.post(f"/v1/migration/{job_id}/execute")
        assert (events[0][0], events[0][1]["status"]) == ("progress", "preview")
        assert [kind for kind, _ in events].count("end") == 1
        kind, job = events[-1]
        assert (kind, job) == ("end", await tenant.job(job_id))
        assert (job["status"], job["successfulRecords"]) == ("completed", 1)

    async def test_of_a_job_that_is_rolled_back_end_when_it_is(
        self, live: Live, tenant: Tenant
    ) -> None:
        job_id = (await tenant.migrate(export(20_000)))["id"]
        path = f"/v1/migration/{job_id}"
        answer = await tenant.service.http.delete(f"{path}/rollback", headers=tenant.headers)
        asked = answer.json()["job"]
        assert (asked["status"], asked["phase"]) in (
            ("processing", "undoing"),
            ("rolled_back", "done"),
        )
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{live.port}", timeout=60) as http:
            response = await http.get(f"{path}/events", headers=tenant.headers)
        last = json.loads(response.text.strip().rpartition("data: ")[2])
        assert last["status"] == "rolled_back"

    async def test_of_a_job_that_is_over_are_its_end(self, tenant: Tenant) -> None:
        job = await tenant.migrate(HEAD + b"1,a,New,1\n")
        response = await tenant.get(f"/v1/migration/{job['id']}/events")
        assert response.text.startswith("event: end\ndata: {")
        assert response.text.count("event:") == 1
