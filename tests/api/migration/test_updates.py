"""What a later file changes in the tenant's records, and what it leaves unchanged."""

import csv
import io
import json
from typing import Any

import pytest

from storage.alembic.tenant.t0006_imported_version import UPDATED
from tests.api.migration.test_steering import roll_back
from tests.service import Tenant

FIRST = (
    "Number,Title,Status,Priority,Description,Building,Floor\n"
    "U1,Broken door,New,3,It does not close,North,2\n"
    "U2,Cold office,New,3,Since Monday,South,\n"
)


async def imported(tenant: Tenant, text: str, **options: Any) -> dict[str, Any]:
    uploaded = await tenant.upload(text.encode())
    assert uploaded.status_code == 201, uploaded.text
    return await tenant.execute(uploaded.json()["job"]["id"], continueOnError=True, **options)


async def records(tenant: Tenant) -> dict[str, dict[str, Any]]:
    return {each["source_id"]: each for each in await tenant.records()}


def outcome(job: dict[str, Any]) -> tuple[int, int, int, int]:
    names = ("successfulRecords", "updatedRecords", "skippedRecords", "failedRecords")
    first, second, third, fourth = (job[name] for name in names)
    return first, second, third, fourth


async def test_a_column_that_the_file_lacks_changes_nothing(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    repair = "Number,Title,Status,Priority,Floor\nU1,Broken gate,Closed,3,3\n"
    assert outcome(await imported(tenant, repair, updateExisting=True)) == (0, 1, 0, 0)
    found = (await records(tenant))["U1"]
    assert (found["title"], found["status"]) == ("Broken gate", "closed")
    assert found["description"] == "It does not close"
    assert found["custom"] == {"Building": "North", "Floor": "3"}


async def test_fewer_columns_are_no_change(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    same = "Number,Title,Status,Priority\nU1,Broken door,New,3\nU2,Cold office,New,3\n"
    assert outcome(await imported(tenant, same, updateExisting=True)) == (0, 0, 2, 0)


@pytest.mark.parametrize(
    ("options", "description", "custom"),
    [
        ({}, "It does not close", {"Building": "North", "Floor": "2"}),
        ({"emptyOverwrites": True}, None, {"Floor": "2"}),
    ],
)
async def test_an_empty_value_overwrites_if_asked_to(
    tenant: Tenant, options: Any, description: str | None, custom: dict[str, str]
) -> None:
    await imported(tenant, FIRST)
    empty = "Number,Title,Status,Priority,Description,Building\nU1,Broken gate,New,3,,\n"
    await imported(tenant, empty, updateExisting=True, **options)
    found = (await records(tenant))["U1"]
    assert (found["title"], found["description"]) == ("Broken gate", description)
    assert found["custom"] == custom


async def test_what_was_edited_here_stays_and_is_counted(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    await tenant.sql("update incidents set title = 'Edited' where source_id = 'U1'")
    later = FIRST.replace("Broken door", "Broken gate").replace("Cold", "Warm")
    uploaded = (await tenant.upload(later.encode())).json()
    assert (uploaded["preview"]["knownRecords"], uploaded["preview"]["editedRecords"]) == (2, 1)
    job = await tenant.execute(uploaded["job"]["id"], updateExisting=True)
    assert outcome(job) == (0, 1, 1, 0)
    found = await records(tenant)
    assert (found["U1"]["title"], found["U2"]["title"]) == ("Edited", "Warm office")


async def test_a_save_that_changes_nothing_is_no_edit(tenant: Tenant) -> None:
    await tenant.run("alter table incidents add column extra json default '{}'")
    job = await imported(tenant, FIRST)
    await tenant.sql("update incidents set title = title, extra = extra")
    later = await imported(tenant, FIRST.replace("Broken door", "Broken gate"), updateExisting=True)
    assert outcome(later) == (0, 1, 1, 0)
    await roll_back(tenant, later["id"])
    await tenant.sql("update incidents set title = title, extra = extra")
    assert (await roll_back(tenant, job["id"]))["report"]["undone"]["kept"] == 0
    assert await records(tenant) == {}


async def test_a_backfill_that_says_so_is_no_edit(tenant: Tenant) -> None:
    job = await imported(tenant, FIRST)
    fill = "update incidents set category = 'None'"
    await tenant.run(f"begin; set local app.import = 'on'; {fill}; commit;")
    assert (await roll_back(tenant, job["id"]))["report"]["undone"]["kept"] == 0


async def test_edits_are_overwritten_if_asked_to_even_by_the_same_file(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    await tenant.sql("update incidents set title = 'Edited' where source_id = 'U1'")
    job = await imported(tenant, FIRST, updateExisting=True, overwriteEdits=True)
    assert outcome(job) == (0, 1, 1, 0)
    assert (await records(tenant))["U1"]["title"] == "Broken door"


async def test_after_an_update_the_next_one_finds_no_edit(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    for title in ("Broken gate", "Broken fence"):
        job = await imported(tenant, FIRST.replace("Broken door", title), updateExisting=True)
        assert outcome(job) == (0, 1, 1, 0)
    assert (await records(tenant))["U1"]["title"] == "Broken fence"


async def test_what_an_earlier_version_imported_is_no_edit(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    await imported(tenant, FIRST.replace("Broken door", "Broken gate"), updateExisting=True)
    forget = "update incidents set imported_version = null;"
    await tenant.run(f"begin; set local app.import = 'on'; {forget} {UPDATED} commit;")
    versions = await tenant.sql(
        "select source_id, row_version, imported_version from incidents order by source_id"
    )
    assert [tuple(each) for each in versions] == [("U1", 2, 2), ("U2", 1, None)]
    job = await imported(tenant, FIRST, updateExisting=True)
    assert outcome(job) == (0, 1, 1, 0)


async def test_an_update_is_undone_to_the_row_as_it_was(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    before = await tenant.sql("select to_jsonb(t)::text from incidents t order by id")
    changed = "Number,Title,Status,Priority,Floor\nU1,Broken gate,Closed,3,9\n"
    job = await imported(tenant, changed, updateExisting=True)
    await roll_back(tenant, job["id"])
    assert await tenant.sql("select to_jsonb(t)::text from incidents t order by id") == before


@pytest.mark.parametrize("batch_size", [100, 10_000])
async def test_repeated_ids_are_counted_as_predicted(tenant: Tenant, batch_size: int) -> None:
    await imported(tenant, FIRST)
    head = "Number,Title,Status,Priority,Description\n"
    between = "".join(f"X{number},t,New,1,\n" for number in range(150))
    later = (
        f"{head}U1,Broken door,New,3,\nU1,Broken gate,New,3,\n{between}"
        "U1,Broken gate,New,3,\nU2,Cold office,New,3,\nU1,Broken door,New,3,\nX1,t,New,1,\n"
    )
    options = {"updateExisting": True, "batchSize": batch_size}
    predicted = await imported(tenant, later, dryRun=True, **options)
    names = ("inserted", "updated", "skipped", "failed")
    counts = tuple(predicted["report"]["predicted"][name] for name in names)
    job = await imported(tenant, later, **options)
    assert outcome(job) == counts == (150, 2, 4, 0)
    assert (await records(tenant))["U1"]["description"] == "It does not close"


async def test_an_installation_is_the_same_however_it_is_spelled(tenant: Tenant) -> None:
    for instance in ("https://acme.example.com", "ACME.example.com/", "acme.example.com/other"):
        uploaded = await tenant.upload(FIRST.encode(), sourceInstance=instance)
        job = await tenant.execute(uploaded.json()["job"]["id"])
        is_other = instance.endswith("other")
        assert job["sourceInstance"] == (instance if is_other else "https://acme.example.com")
    assert outcome(job) == (2, 0, 0, 0)
    assert len(await tenant.records()) == 4


@pytest.mark.parametrize("other", [{"sourceInstance": "prod"}, {"sourceSystem": "servicenow"}])
async def test_ids_that_the_tenant_has_from_elsewhere_are_pointed_out(
    tenant: Tenant, other: dict[str, str]
) -> None:
    await imported(tenant, FIRST)
    later = FIRST + "U3,t,New,1,,,\n"
    named = {"Title": "title", "Status": "status", "Priority": "priority"}
    fields = [{"sourceField": name, "targetField": field} for name, field in named.items()]
    mapping = json.dumps({"sourceIdField": "Number", "fieldMappings": fields})
    uploaded = await tenant.upload(later.encode(), **other, mapping=mapping)
    preview = uploaded.json()["preview"]
    [said] = (each for each in preview["recommendations"] if "a second time" in each)
    assert said.startswith("2 of the first 3 records have an id that the tenant has from generic")
    again = (await tenant.upload(later.encode())).json()["preview"]
    assert not any("a second time" in each for each in again["recommendations"])


async def skipped(tenant: Tenant, text: str, **options: Any) -> list[tuple[int, str, str]]:
    job = await imported(tenant, text, **options)
    listed = await tenant.skipped(job["id"])
    assert len(listed) == job["skippedRecords"]
    text = (await tenant.get(f"/v1/migration/{job['id']}/skipped.csv")).text
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == ["row", "sourceId", "reason"]
    assert rows == [[str(value) for value in each.values()] for each in listed]
    return [(each["row"], each["sourceId"], each["reason"]) for each in listed]


class TestSkippedRecords:
    """The list names each unchanged record and the reason."""

    @pytest.mark.parametrize("batch_size", [100, 10_000])
    async def test_that_exist_or_are_repeated(self, tenant: Tenant, batch_size: int) -> None:
        await imported(tenant, FIRST)
        between = "".join(f"X{number},t,New,1\n" for number in range(150))
        later = f"Number,Title,Status,Priority\nU1,t,New,1\nX1,t,New,1\n{between}U2,t,New,1\n"
        assert await skipped(tenant, later, batchSize=batch_size) == [
            (1, "U1", "exists"),
            (4, "X1", "repeated"),
            (153, "U2", "exists"),
        ]

    async def test_that_are_like_before_or_edited_here(self, tenant: Tenant) -> None:
        await imported(tenant, FIRST)
        await tenant.sql("update incidents set title = 'Edited' where source_id = 'U1'")
        later = FIRST.replace("Broken door", "Broken gate") + "U3,t,New,1,,,\n"
        expected = [(1, "U1", "edited"), (2, "U2", "unchanged")]
        assert await skipped(tenant, later, updateExisting=True) == expected

    async def test_none_are_listed_of_a_new_file(self, tenant: Tenant) -> None:
        assert await skipped(tenant, FIRST) == []


class TestTheSameTicketUnderAnotherId:
    """One export of ServiceNow has sys_ids, another has only numbers."""

    CSV = b"number,short_description,state,priority\nINC7,Broken,New,3\nINC8,Cold,New,3\n"
    JSON = (
        b'{"records": [{"sys_id": "%b", "number": "INC7", "short_description": "Broken",'
        b' "state": "1", "priority": "3"}]}'
    ) % (b"a" * 32)

    async def preview(self, tenant: Tenant, content: bytes, name: str, **more: str) -> Any:
        response = await tenant.upload(content, name, sourceSystem="servicenow", **more)
        assert response.status_code == 201, response.text
        return response.json()

    async def test_is_known_by_its_number(self, tenant: Tenant) -> None:
        await tenant.execute((await self.preview(tenant, self.CSV, "a.csv"))["job"]["id"])
        found = await self.preview(tenant, self.JSON.replace(b"Broken", b"Mended"), "a.json")
        [remark] = found["preview"]["remarks"]
        assert (remark["code"], remark["count"], remark["rows"]) == ("matched_by_number", 1, [1])
        job = await tenant.execute(found["job"]["id"], updateExisting=True)
        assert outcome(job) == (0, 1, 0, 0)
        again = await self.preview(tenant, self.CSV.replace(b"Broken", b"Gone"), "a.csv")
        assert outcome(await tenant.execute(again["job"]["id"], updateExisting=True)) == (
            0,
            1,
            1,
            0,
        )
        assert {each["title"] for each in await tenant.records()} == {"Gone", "Cold"}

    async def test_is_known_the_other_way_round(self, tenant: Tenant) -> None:
        await tenant.execute((await self.preview(tenant, self.JSON, "a.json"))["job"]["id"])
        found = await self.preview(tenant, self.CSV, "a.csv")
        job = await tenant.execute(found["job"]["id"])
        assert outcome(job) == (1, 0, 1, 0)
        listed = [(each["row"], each["sourceId"]) for each in await tenant.skipped(job["id"])]
        assert listed == [(1, "INC7")], "the file's own id, not the one that it was taken for"

    async def test_two_records_of_one_number_are_pointed_out_only(self, tenant: Tenant) -> None:
        await tenant.execute((await self.preview(tenant, self.CSV, "a.csv"))["job"]["id"])
        [record] = json.loads(self.JSON)["records"]
        twice = json.dumps({"records": [record, record | {"sys_id": "b" * 32}]}).encode()
        found = await self.preview(tenant, twice, "a.json")
        [remark] = found["preview"]["remarks"]
        assert remark["code"] == "known_otherwise"
        assert remark["detail"] == (
            "the tenant has this number under another id, or had it before this file; the record is"
            " imported as a separate one: see matchBy in docs/migration.md"
        )
        assert outcome(await tenant.execute(found["job"]["id"])) == (2, 0, 0, 0)

    async def test_two_ids_are_two_records_unless_the_user_says_otherwise(
        self, tenant: Tenant
    ) -> None:
        await tenant.execute((await self.preview(tenant, self.JSON, "a.json"))["job"]["id"])
        other = self.JSON.replace(b"a" * 32, b"c" * 32)
        found = await self.preview(tenant, other, "a.json")
        assert [each["code"] for each in found["preview"]["remarks"]] == ["known_otherwise"]
        assert outcome(await tenant.execute(found["job"]["id"], matchBy="number")) == (0, 0, 1, 0)

    async def test_is_a_second_record_if_the_user_says_so(self, tenant: Tenant) -> None:
        await tenant.execute((await self.preview(tenant, self.CSV, "a.csv"))["job"]["id"])
        found = await self.preview(tenant, self.JSON, "a.json")
        assert outcome(await tenant.execute(found["job"]["id"], matchBy="id")) == (1, 0, 0, 0)

    async def test_is_no_matter_between_instances(self, tenant: Tenant) -> None:
        await tenant.execute((await self.preview(tenant, self.CSV, "a.csv"))["job"]["id"])
        other = await self.preview(tenant, self.JSON, "a.json", sourceInstance="other")
        assert other["preview"]["remarks"] == []

    async def test_nor_for_the_same_id(self, tenant: Tenant) -> None:
        await tenant.execute((await self.preview(tenant, self.JSON, "a.json"))["job"]["id"])
        again = (await self.preview(tenant, self.JSON, "a.json"))["preview"]
        assert (again["remarks"], again["knownRecords"]) == ([], 1)


class TestFilesWithoutIds:
    TEXT = "Title,Status,Priority\nBroken door,New,high\nBroken door,New,high\n"

    async def test_are_imported_and_known_again(self, tenant: Tenant) -> None:
        preview = (await tenant.upload(self.TEXT.encode())).json()["preview"]
        assert any("place in the file" in each for each in preview["recommendations"])
        assert outcome(await imported(tenant, self.TEXT)) == (2, 0, 0, 0)
        assert outcome(await imported(tenant, self.TEXT)) == (0, 0, 2, 0)
        assert outcome(await imported(tenant, self.TEXT + "Cold,New,low\n")) == (3, 0, 0, 0)

    async def test_a_name_for_ids_that_is_wrong_is_an_error(self, tenant: Tenant) -> None:
        uploaded = (await tenant.upload(self.TEXT.encode())).json()["job"]["id"]
        names = ("title", "status", "priority")
        fields = [{"sourceField": name.title(), "targetField": name} for name in names]
        mapping = {"fieldMappings": fields, "sourceIdField": "Number"}
        job = await tenant.execute(uploaded, continueOnError=True, mapping=mapping)
        assert outcome(job) == (0, 0, 0, 2)
        assert {each["code"] for each in await tenant.errors(uploaded)} == {"source_id_missing"}


class TestRefusedDuplicates:
    """`skipDuplicates: false` without `updateExisting`: each duplicate is an error."""

    TWICE = "Number,Title,Status,Priority\nU1,a,New,1\nU1,b,New,1\nU3,c,New,1\n"

    async def test_each_is_an_error_and_the_first_is_imported(self, tenant: Tenant) -> None:
        job = await imported(tenant, self.TWICE, skipDuplicates=False)
        assert outcome(job) == (2, 0, 0, 1)
        [error] = await tenant.errors(job["id"])
        assert (error["row"], error["code"]) == (2, "duplicate_record")
        assert (await records(tenant))["U1"]["title"] == "a"

    async def test_what_the_tenant_has_counts_as_well(self, tenant: Tenant) -> None:
        await imported(tenant, FIRST)
        job = await imported(tenant, self.TWICE, skipDuplicates=False)
        assert outcome(job) == (1, 0, 0, 2)
        assert [each["row"] for each in await tenant.errors(job["id"])] == [1, 2]
        assert (await records(tenant))["U1"]["title"] == "Broken door"

    async def test_nothing_is_written_unless_errors_may_be(self, tenant: Tenant) -> None:
        uploaded = (await tenant.upload(self.TWICE.encode())).json()["job"]["id"]
        response = await tenant.post(f"/v1/migration/{uploaded}/execute", {"skipDuplicates": False})
        assert response.status_code == 202
        job = await tenant.settled(uploaded, "preview")
        assert job["report"]["outcome"] == "validation_failed"
        assert await tenant.records() == []

    async def test_with_update_existing_none_is_refused(self, tenant: Tenant) -> None:
        job = await imported(tenant, self.TWICE, skipDuplicates=False, updateExisting=True)
        assert outcome(job) == (2, 1, 0, 0)
