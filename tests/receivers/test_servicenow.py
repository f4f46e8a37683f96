"""The stand-in for ServiceNow behaves as the vendor's pages say, its surprises included."""

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from receivers.receiver import serving
from receivers.servicenow import ServiceNowReceiver
from receivers.servicenow.login import EXAMPLE_PASSWORD, EXAMPLE_USER
from receivers.servicenow.query import parse
from receivers.servicenow.table import Table

LOGIN = (EXAMPLE_USER, EXAMPLE_PASSWORD)
GROUP = "287ebd7da9fe198100f92cc8d1d2154e"
TABLE = "/api/now/table/incident"
COLUMNS = {"number", "state", "sys_updated_on", "sys_id"}


class Caller:
    """An ordinary client of the Table API."""

    def __init__(self, receiver: ServiceNowReceiver, http: httpx.AsyncClient) -> None:
        self.receiver, self.http = receiver, http

    async def __call__(
        self, method: str, path: str = "", body: Any = None, **asked: str
    ) -> httpx.Response:
        params = {f"sysparm_{name}": said for name, said in asked.items()}
        url = f"{self.receiver.url}{TABLE}{path}"
        return await self.http.request(method, url, params=params, json=body, auth=LOGIN)

    async def made(self, **fields: Any) -> dict[str, Any]:
        response = await self("POST", body={"short_description": "x", **fields})
        assert response.status_code == 201, response.text
        result: dict[str, Any] = response.json()["result"]
        return result


@pytest.fixture
async def call() -> AsyncIterator[Caller]:
    receiver = ServiceNowReceiver()
    receiver.tables["sys_user_group"].fill([{"sys_id": GROUP, "name": "Network"}])
    async with serving(receiver), httpx.AsyncClient(trust_env=False) as http:
        yield Caller(receiver, http)


def error(response: httpx.Response) -> tuple[int, str, str | None]:
    said = response.json()
    assert said["status"] == "failure"
    return response.status_code, said["error"]["message"], said["error"]["detail"]


async def test_a_new_record_has_its_place_and_the_base_systems_values(call: Caller) -> None:
    response = await call("POST", body={"short_description": "x" * 161, "impact": 1, "urgency": 1})
    result = response.json()["result"]
    assert response.headers["location"] == f"{call.receiver.url}{TABLE}/{result['sys_id']}"
    assert len(result["short_description"]) == 160
    assert (result["number"], result["state"], result["priority"]) == ("INC0010001", "1", "1")
    assert (result["active"], result["sys_mod_count"]) == ("true", "0")
    assert result["work_notes"] == ""


async def test_references_are_objects_unless_that_is_declined(call: Caller) -> None:
    id = (await call.made(assignment_group=GROUP))["sys_id"]
    link = f"{call.receiver.url}/api/now/table/sys_user_group/{GROUP}"
    for asked, shown in (
        ({}, {"value": GROUP, "link": link}),
        ({"exclude_reference_link": "true"}, GROUP),
        ({"display_value": "true"}, {"display_value": "Network", "link": link}),
        ({"display_value": "true", "exclude_reference_link": "true"}, "Network"),
        ({"display_value": "all"}, {"display_value": "Network", "value": GROUP, "link": link}),
    ):
        found = await call("GET", f"/{id}", fields="assignment_group,u_none", **asked)
        assert found.json()["result"] == {"assignment_group": shown}


async def test_display_values_are_labels_and_local_times(call: Caller) -> None:
    id = (await call.made())["sys_id"]
    call.receiver.incidents[0].values["opened_at"] = "2026-11-28 03:00:00"
    found = await call("GET", f"/{id}", fields="state,opened_at", display_value="true")
    assert found.json()["result"] == {"state": "New", "opened_at": "2026-11-27 19:00:00"}


async def test_a_journal_grows_and_is_shown_as_text_only(call: Caller) -> None:
    id = (await call.made())["sys_id"]
    for text in ("one", "two"):
        changed = await call("PATCH", f"/{id}", {"work_notes": text})
        assert changed.json()["result"]["work_notes"] == ""
    found = await call("GET", f"/{id}", fields="work_notes", display_value="true")
    newest, oldest = found.json()["result"]["work_notes"].removesuffix("\n\n").split("\n\n")
    assert newest.endswith(f" - {EXAMPLE_USER} (Work notes)\ntwo")
    assert oldest.endswith("\none")


async def test_a_change_of_nothing_changes_nothing(call: Caller) -> None:
    id = (await call.made())["sys_id"]
    for body, count in (({}, "0"), ({"u_none": "1"}, "0"), ({"category": "x"}, "1")):
        assert (await call("PATCH", f"/{id}", body)).json()["result"]["sys_mod_count"] == count


async def test_conditions_on_what_does_not_exist_are_ignored(call: Caller) -> None:
    for id in ("a", "b"):
        await call.made(correlation_id=id)
    for query, found in (
        ("correlation_id=a", 1),
        ("correlationId=a", 2),
        ("u_none=a^correlation_id=b", 1),
        ("correlation_idINa,b,c", 2),
        ("correlation_id=A", 1),
    ):
        response = await call("GET", query=query)
        assert len(response.json()["result"]) == found, query
        assert response.headers["x-total-count"] == str(found)
    call.receiver.unreadable = {"correlation_id"}
    assert len((await call("GET", query="correlation_id=a")).json()["result"]) == 2


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "123"),
        ("state=1", "13"),
        ("state!=1", "2"),
        ("state=1^number>1", "3"),
        ("number=1^ORnumber=2^state=2", "2"),
        ("number=1^NQnumber=3", "13"),
        ("numberLIKE3", "3"),
        ("numberSTARTSWITH2", "2"),
        ("numberNOT IN1,2", "3"),
        ("stateISEMPTY", ""),
        ("stateISNOTEMPTY^EQ", "123"),
        ("sys_updated_on>=b", "23"),
        ("sys_updated_on>b", "3"),
        ("sys_updated_on<=b", "12"),
        ("sys_updated_on=b^NQsys_updated_on=c", "23"),
        ("sys_updated_on>=b^ORDERBYDESCnumber", "32"),
        ("ORDERBYDESCsys_updated_on", "321"),
        ("ORDERBYstate^ORDERBYDESCnumber", "312"),
        ("whatever", "123"),
    ],
)
def test_encoded_queries(query: str, found: str) -> None:
    table = Table("incident", ServiceNowReceiver().tables["incident"].columns)
    rows = [("1", "1", "a"), ("2", "2", "b"), ("3", "1", "c")]
    names = ("number", "state", "sys_updated_on")
    table.fill(dict(zip(names, row, strict=True)) | {"sys_id": row[0]} for row in rows)
    asked = parse(query, COLUMNS)
    for counts in (True, False):
        page, total = table.select(asked, 0, 10, counts=counts)
        assert "".join(row.values["number"] for row in page) == found
        assert total in (None, len(found))


async def test_pages_have_links_and_a_count(call: Caller) -> None:
    for _ in range(5):
        await call.made()
    page = await call("GET", limit="2", offset="2", fields="number", query="ORDERBYnumber")
    assert [row["number"] for row in page.json()["result"]] == ["INC0010003", "INC0010004"]
    assert page.headers["x-total-count"] == "5"
    links = [part.partition(";") for part in page.headers["link"].split(",")]
    offsets = {rel: url.rpartition("sysparm_offset=")[2] for url, _, rel in links}
    assert offsets == {
        'rel="first"': "0>",
        'rel="next"': "4>",
        'rel="prev"': "0>",
        'rel="last"': "4>",
    }
    bare = await call("GET", limit="2", no_count="true")
    assert not {"x-total-count", "link"} & bare.headers.keys()


async def test_state_needs_its_resolution(call: Caller) -> None:
    id = (await call.made())["sys_id"]
    refused = await call("PATCH", f"/{id}", {"state": "6", "work_notes": "x"})
    assert error(refused) == (
        403,
        "Operation Failed",
        "Data Policy Exception: The following fields are mandatory: Resolution code,"
        " Resolution notes",
    )
    assert call.receiver.incidents[0].journals == {}
    resolution = {"close_code": "Solution provided", "close_notes": "x"}
    closed = await call("PATCH", f"/{id}", {"state": 7, **resolution})
    assert (closed.json()["result"]["state"], closed.json()["result"]["active"]) == ("7", "false")
    refused = await call("PATCH", f"/{id}", {"state": "2"})
    assert error(refused)[2] == "ACL Exception Update Failed due to security constraints"


async def test_what_may_not_be_written_is_dropped_with_200(call: Caller) -> None:
    call.receiver.rules.unwritable = {"category"}
    assert (await call.made(category="network"))["category"] == ""


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (("GET", f"{TABLE}s"), (400, "Invalid table incidents", None)),
        (("GET", "/api/now/x"), (400, "Requested URI does not represent any resource", None)),
        (("PUT", TABLE), (404, "No Record found", None)),
        (
            ("GET", f"{TABLE}/{'0' * 32}"),
            (404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval"),
        ),
    ],
)
async def test_what_is_not_there(
    call: Caller, request_: tuple[str, str], said: tuple[int, str, str | None]
) -> None:
    method, path = request_
    response = await call.http.request(method, f"{call.receiver.url}{path}", auth=LOGIN)
    found = error(response)
    assert found[:2] == said[:2]
    assert said[2] in (None, found[2])


async def test_who_is_not_known_gets_nothing(call: Caller) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"x-sn-apikey": "x"}):
        response = await call.http.get(f"{call.receiver.url}{TABLE}", headers=headers)
        assert error(response)[:2] == (401, "User Not Authenticated")
        assert "www-authenticate" in response.headers


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"grant_type": "client_credentials"}, 200),
        ({"grant_type": "client_credentials", "client_secret": "wrong"}, 401),
        ({"grant_type": "refresh_token", "refresh_token": "wrong"}, 401),
        ({"grant_type": "password", "username": LOGIN[0], "password": LOGIN[1]}, 200),
        ({"grant_type": "none"}, 401),
    ],
)
async def test_tokens_are_given_to_those_who_are_known(
    call: Caller, form: dict[str, str], status: int
) -> None:
    [(client, secret)] = call.receiver.logins.clients.items()
    content = urlencode({"client_id": client, "client_secret": secret} | form)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    url = f"{call.receiver.url}/oauth_token.do"
    response = await call.http.post(url, content=content, headers=headers)
    assert response.status_code == status
    if status == 200:
        token = response.json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        found = await call.http.get(f"{call.receiver.url}{TABLE}", headers=bearer)
        assert found.status_code == 200
    else:
        assert response.json()["error"] == "server_error"


async def test_a_large_table_is_paged_through_quickly() -> None:
    """200,000 records, many with one time, by the last time and sys_id of each page."""
    table = ServiceNowReceiver().tables["incident"]
    rows = 200_000
    table.fill(
        {
            "sys_id": f"{number * 7_919 % rows:032}",
            "sys_updated_on": f"2026-01-01 00:00:{number % 50:02}",
        }
        for number in range(rows)
    )
    seen, query, began = 0, "", time.monotonic()
    while True:
        asked = parse(f"{query}^ORDERBYsys_updated_on^ORDERBYsys_id", COLUMNS)
        page, _ = table.select(asked, 0, 1_000, counts=False)
        seen += len(page)
        if not page:
            break
        at, id = page[-1].key
        query = f"sys_updated_on>{at}^NQsys_updated_on={at}^sys_id>{id}"
    took = time.monotonic() - began
    print(f"{seen} records in {took:.1f} s")
    assert seen == rows
    assert took < 30
