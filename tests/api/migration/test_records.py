"""Records read back, filtered and a page at a time."""

import json
from typing import Any

import pytest

from tests.service import Tenant

UNKNOWN = "019a0000-0000-7000-8000-000000000000"
HEAD = b"number,title,status,priority,note\n"
CSV = HEAD + b"".join(b"INC%d,Mail is slow,New,%d,NaN\n" % (n, n % 4 + 1) for n in range(7))


@pytest.fixture(scope="module")
async def filled(module_tenant: Tenant) -> Tenant:
    await module_tenant.migrate(CSV)
    await module_tenant.migrate(HEAD + b"INC0,Elsewhere,New,1,\n", sourceInstance="b")
    return module_tenant


async def numbers(tenant: Tenant, **query: Any) -> list[str]:
    return [record["external_id"] for record in await tenant.records(**query)]


async def test_come_in_the_order_of_the_file(filled: Tenant) -> None:
    expected = [*(f"INC{number}" for number in range(7)), "INC0"]
    assert await numbers(filled) == expected


async def test_come_a_page_at_a_time(filled: Tenant) -> None:
    found: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while "cursor" not in query or query["cursor"]:
        page = (await filled.get("/v1/records/incident", **query)).json()
        assert len(page["data"]) <= 3
        found += [record["external_id"] for record in page["data"]]
        query["cursor"] = page["nextCursor"]
    assert found == await numbers(filled)


async def test_are_found_by_their_ids_and_their_job(filled: Tenant) -> None:
    jobs = (await filled.get("/v1/migration")).json()["data"]
    assert await numbers(filled, source_id="INC3") == ["INC3"]
    assert await numbers(filled, external_id="INC0") == ["INC0", "INC0"]
    assert await numbers(filled, external_id="INC0", job=jobs[0]["id"]) == ["INC0"]
    assert len(await numbers(filled, job=jobs[1]["id"])) == 7
    assert await numbers(filled, job=UNKNOWN) == []
    assert await numbers(filled, source_id="' or true --") == []


async def test_one_is_read_by_its_id(filled: Tenant) -> None:
    first = (await filled.records())[0]
    response = await filled.get(f"/v1/records/incident/{first['id']}")
    assert response.json() == {"data": first}
    assert (await filled.get(f"/v1/records/request/{first['id']}")).status_code == 404


async def test_the_text_nan_stays_text(filled: Tenant) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    response = await filled.get("/v1/records/incident")
    first = json.loads(response.text, parse_constant=refuse)["data"][0]
    assert first["custom"] == {"note": "NaN"}


async def test_a_hash_survives_a_browser(filled: Tenant) -> None:
    for record in await filled.records():
        assert isinstance(record["content_hash"], str)
        assert str(int(record["content_hash"])) == record["content_hash"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": 0}, "invalid_request"),
        ({"limit": 1001}, "invalid_request"),
        ({"limit": "9" * 5_000}, "invalid_request"),
        ({"limit": "NaN"}, "invalid_request"),
        ({"cursor": "not one of ours"}, "cursor_invalid"),
        ({"cursor": "é"}, "cursor_invalid"),
        ({"cursor": ""}, "cursor_invalid"),
        ({"cursor": "x" * 101}, "invalid_request"),
        ({"job": "1"}, "invalid_request"),
        ({"source_id": "a\0b"}, "value_not_storable"),
    ],
    ids=str,
)
async def test_a_query_that_means_nothing_is_refused(
    filled: Tenant, query: dict[str, Any], code: str
) -> None:
    response = await filled.get("/v1/records/incident", **query)
    assert (response.status_code, response.json()["code"]) == (422, code)
