"""Records with one id in one file act as if they came one by one, wherever batches end."""

import json
from typing import Any, ClassVar

import pytest

from tests.api.migration.test_accounting import paused, paused_in, resumed
from tests.api.migration.test_steering import roll_back
from tests.api.migration.test_updates import FIRST, imported, outcome, records
from tests.faults.exports import export
from tests.service import Tenant

HEAD = "Number,Title,Status,Priority,Description\n"
BETWEEN = "".join(f"X{number},t,New,1,\n" for number in range(150))
sizes = pytest.mark.parametrize("size", [100, 10_000])


def json_of(*records: tuple[str, str, str]) -> bytes:
    """An export of ServiceNow with these sys_ids, numbers and titles."""
    rest = {"state": "1", "priority": "3"}
    rows = [
        {"sys_id": id, "number": number, "short_description": title} | rest
        for id, number, title in records
    ]
    return json.dumps({"records": rows}).encode()


async def brought(tenant: Tenant, content: bytes, name: str, **options: Any) -> dict[str, Any]:
    uploaded = await tenant.upload(content, name, sourceSystem="servicenow")
    assert uploaded.status_code == 201, uploaded.text
    return await tenant.execute(uploaded.json()["job"]["id"], **options)


async def titles(tenant: Tenant) -> dict[str, str]:
    return {each["source_id"]: each["title"] for each in await tenant.records()}


async def test_a_change_behind_a_record_without_one_is_written(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    same = FIRST.splitlines()[1]
    later = f"{FIRST}{same.replace('door', 'gate')}\n{same.replace('door', 'fence')}\n"
    job = await imported(tenant, later, updateExisting=True)
    assert outcome(job) == (0, 2, 2, 0)
    assert (await records(tenant))["U1"]["title"] == "Broken fence"


@sizes
async def test_a_repetition_changes_what_it_has_values_for(tenant: Tenant, size: int) -> None:
    later = f"{HEAD}U1,a,New,1,All of it\n{BETWEEN}U1,b,New,1,\nU1,b,New,1,\n"
    job = await imported(tenant, later, updateExisting=True, batchSize=size)
    assert outcome(job) == (151, 1, 1, 0)
    found = (await records(tenant))["U1"]
    assert (found["title"], found["description"]) == ("b", "All of it")


@sizes
async def test_what_was_edited_here_stays_whatever_repeats(tenant: Tenant, size: int) -> None:
    await imported(tenant, FIRST)
    await tenant.sql("update incidents set title = 'Edited' where source_id = 'U1'")
    later = f"{HEAD}U1,a,New,1,\n{BETWEEN}U1,b,New,1,\n"
    job = await imported(tenant, later, updateExisting=True, batchSize=size)
    assert outcome(job) == (150, 0, 2, 0)
    assert (await records(tenant))["U1"]["title"] == "Edited"
    assert {each["reason"] for each in await tenant.skipped(job["id"])} == {"edited"}


class TestByNumber:
    CSV = b"number,short_description,state,priority\nN1,a,New,3\nN2,b,New,3\n"

    async def test_one_that_repeats_is_found(self, tenant: Tenant) -> None:
        await brought(tenant, self.CSV, "a.csv")
        content = json_of(("s1", "N1", "c"), ("s1", "N1", "d"), ("s2", "N2", "e"))
        job = await brought(tenant, content, "a.json", updateExisting=True)
        assert outcome(job) == (0, 3, 0, 0)
        assert await titles(tenant) == {"N1": "d", "N2": "e"}

    async def test_one_that_was_imported_after_the_preview_is_found(self, tenant: Tenant) -> None:
        files = {"a.csv": self.CSV, "a.json": json_of(("s1", "N1", "c"), ("s2", "N2", "d"))}
        jobs = [
            (await tenant.upload(content, name, sourceSystem="servicenow")).json()["job"]["id"]
            for name, content in files.items()
        ]
        for id in jobs:
            await tenant.execute(id)
        assert await titles(tenant) == {"N1": "a", "N2": "b"}

    @sizes
    async def test_if_numbers_count_they_do_in_the_file_too(
        self, tenant: Tenant, size: int
    ) -> None:
        between = [(f"x{number}", f"X{number}", "t") for number in range(150)]
        content = json_of(("s1", "N1", "a"), *between, ("s2", "N1", "b"))
        options = {"matchBy": "number", "batchSize": size, "updateExisting": True}
        job = await brought(tenant, content, "a.json", **options)
        assert outcome(job) == (151, 1, 0, 0)
        assert (await titles(tenant))["s1"] == "b"

    async def test_the_tenants_own_and_another_of_its_number(self, tenant: Tenant) -> None:
        await brought(tenant, json_of(("s1", "N1", "a")), "a.json")
        content = json_of(("s1", "N1", "b"), ("s2", "N1", "c"))
        job = await brought(tenant, content, "b.json", matchBy="number", updateExisting=True)
        assert outcome(job) == (0, 2, 0, 0)
        assert await titles(tenant) == {"s1": "c"}

    @pytest.mark.parametrize("between", [0, 10_001], ids=["near", "far"])
    @pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
    @pytest.mark.parametrize("options", [{}, {"updateExisting": True}], ids=["skip", "update"])
    async def test_what_is_predicted_happens(
        self, tenant: Tenant, between: int, known: bool, options: dict[str, Any]
    ) -> None:
        if known:
            await brought(tenant, json_of(("s1", "", "a")), "known.json")
        some = [(f"x{number}", f"X{number}", "t") for number in range(between)]
        content = json_of(("s1", "N1", "a"), *some, ("s2", "N1", "b"), ("s3", "N1", "b"))
        options = {"matchBy": "number", "batchSize": 10_000, **options}
        dry = await brought(tenant, content, "a.json", dryRun=True, **options)
        job = await tenant.execute(dry["id"], **options)
        predicted = dry["report"]["predicted"]
        names = ("inserted", "updated", "skipped", "failed")
        assert outcome(job) == tuple(predicted[name] for name in names)
        assert len(await titles(tenant)) == min(1_000, predicted["inserted"] + known)

    @sizes
    @pytest.mark.parametrize("options", [{}, {"updateExisting": True}], ids=["skip", "update"])
    async def test_a_record_that_is_known_by_its_id_is_that_one(
        self, tenant: Tenant, size: int, options: dict[str, Any]
    ) -> None:
        await brought(tenant, json_of(("s1", "", "a")), "known.json")
        some = [(f"x{number}", f"X{number}", "t") for number in range(150)]
        content = json_of(("s2", "N1", "b"), *some, ("s1", "N1", "c"))
        job = await brought(tenant, content, "a.json", matchBy="number", batchSize=size, **options)
        updated = len(options)
        assert outcome(job) == (151, updated, 1 - updated, 0)
        assert (await titles(tenant))["s2"] == "b"

    FILLERS: ClassVar = [(f"x{number}", f"X{number}", "t") for number in range(98)]

    @pytest.mark.parametrize(
        ("file", "updates"),
        [
            ([("s1", "", "a"), ("s1", "N2", "b"), ("s2", "N2", "c")], False),
            ([("s1", "", "a"), ("s1", "N2", "b"), ("s2", "N2", "c")], True),
            ([("s1", "N1", "a"), ("s1", "N2", "b"), ("s2", "N2", "c"), ("s3", "N1", "d")], True),
            ([("k1", "N2", "a"), *FILLERS, ("s1", "N1", "b")], True),
            ([("s1", "N1", "a"), *FILLERS, ("s1", "N3", "c"), ("s1", "", "d")], True),
        ],
        ids=["skipped", "numbered later", "numbered anew", "renumbered", "known by its number"],
    )
    async def test_batches_make_no_difference(
        self, tenant: Tenant, other_tenant: Tenant, file: list[Any], updates: bool
    ) -> None:
        found = []
        for other, size in ((tenant, 100), (other_tenant, 10_000)):
            await brought(other, json_of(("k1", "N1", "k")), "known.json")
            content, how = (
                json_of(*self.FILLERS, *file),
                {"matchBy": "number", "updateExisting": updates},
            )
            dry = await brought(other, content, "a.json", dryRun=True, **how)
            job = await other.execute(dry["id"], batchSize=size, **how)
            predicted = dry["report"]["predicted"]
            names = ("inserted", "updated", "skipped", "failed")
            assert outcome(job) == tuple(predicted[name] for name in names)
            assert job["report"]["duplicateRecords"] == dry["report"]["duplicateRecords"]
            found.append((outcome(job), await titles(other)))
        assert found[0] == found[1]

    @sizes
    async def test_an_id_stays_with_its_record_also_without_the_number(
        self, tenant: Tenant, size: int
    ) -> None:
        await brought(tenant, self.CSV, "a.csv")
        content = json_of(("s1", "N1", "c"), *self.FILLERS, ("s1", "", "d"), ("s1", "", "e"))
        job = await brought(tenant, content, "a.json", batchSize=size, updateExisting=True)
        assert outcome(job) == (98, 3, 0, 0)
        assert (await titles(tenant))["N1"] == "e"

    async def test_a_pause_makes_no_difference(self, tenant: Tenant) -> None:
        """All records that the tenant had before are the job's own by then."""
        await brought(tenant, self.CSV, "a.csv")
        some = [(f"x{number}", f"X{number}", "t") for number in range(20_000)]
        content = json_of(("s1", "N1", "c"), ("s2", "N2", "c"), *some, ("s1", "N1", "d"))
        uploaded = await tenant.upload(content, "a.json", sourceSystem="servicenow")
        job_id = uploaded.json()["job"]["id"]
        await paused_in(tenant, job_id, batchSize=100, updateExisting=True)
        assert outcome(await resumed(tenant, job_id)) == (20_000, 3, 0, 0)
        [[aliases]] = await tenant.sql("select count(*) from import_aliases")
        assert aliases == 0

    async def test_what_only_the_whole_file_tells_is_predicted(self, tenant: Tenant) -> None:
        """One of two records with a number gets another number, a chunk before the number comes."""
        known = json_of(("k1", "N1", "k"), ("k2", "N1", "k"))
        await brought(tenant, known, "known.json", matchBy="id")
        some = [(f"x{number}", f"X{number}", "t") for number in range(10_000)]
        content = json_of(("k1", "N2", "a"), *some, ("s1", "N1", "c"))
        how = {"updateExisting": True, "matchBy": "number"}
        dry = await brought(tenant, content, "a.json", dryRun=True, **how)
        assert dry["report"]["predicted"] == {
            "inserted": 10_000, "updated": 2, "skipped": 0, "failed": 0
        }  # fmt: skip
        assert outcome(await tenant.execute(dry["id"], **how)) == (10_000, 2, 0, 0)

    async def test_a_number_that_repeats_behind_a_doubtful_date_is_none(
        self, tenant: Tenant
    ) -> None:
        """The second one is rejected until the first one has settled the order of dates."""
        await brought(tenant, b"number,short_description,state,priority\nN1,a,New,3\n", "a.csv")
        some = [(f"x{number}", f"X{number}", "t") for number in range(10_000)]
        content = json.loads(json_of(("s1", "N1", "a"), *some, ("s2", "N1", "b")))
        for place, date in ((0, "25/03/2016 10:00"), (-1, "05/03/2016 10:00")):
            content["records"][place]["opened_at"] = date
        uploaded = await tenant.upload(
            json.dumps(content).encode(), "a.json", sourceSystem="servicenow"
        )
        job = uploaded.json()["job"]
        assert "matched_by_number" not in str(uploaded.json()["preview"])
        assert outcome(await tenant.execute(job["id"])) == (10_002, 0, 0, 0)

    async def test_invisible_characters_of_a_number_do_not_count(self, tenant: Tenant) -> None:
        await brought(tenant, self.CSV.replace(b"N1", "N1\u200b ".encode()), "a.csv")
        job = await brought(tenant, json_of(("s1", "N1", "c")), "a.json")
        assert outcome(job) == (0, 0, 1, 0)


async def test_a_default_value_changes_nothing_that_is_there(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    fields = [
        {"sourceField": "Number", "targetField": "external_id"},
        {"sourceField": "Title", "targetField": "title"},
        {"sourceField": "Status", "targetField": "status"},
        {"sourceField": "Priority", "targetField": "priority", "defaultValue": 1},
    ]
    mapping = json.dumps({"fieldMappings": fields})
    for later in ("Number,Title,Status\nU1,b,New\n", "Number,Title,Status,Priority\nU1,c,New,\n"):
        content = (later + later.splitlines()[1].replace("U1", "U9") + "\n").encode()
        uploaded = (await tenant.upload(content, mapping=mapping)).json()
        job = await tenant.execute(uploaded["job"]["id"], updateExisting=True)
        assert job["status"] == "completed"
    found = await records(tenant)
    assert [found[id]["title"] for id in ("U1", "U9")] == ["c", "c"]
    assert [found[id]["priority"] for id in ("U1", "U9")] == [3, 1]


@sizes
async def test_a_default_value_counts_when_the_file_says_it(tenant: Tenant, size: int) -> None:
    await imported(tenant, FIRST)
    names = {"Number": "external_id", "Title": "title", "Status": "status"}
    fields: list[dict[str, Any]] = [
        {"sourceField": theirs, "targetField": ours} for theirs, ours in names.items()
    ]
    fields += [{"sourceField": "Priority", "targetField": "priority", "defaultValue": 1}]
    content = f"Number,Title,Status,Priority\nU1,b,New,\n{BETWEEN.replace(',1,', ',1')}U1,b,New,1\n"
    uploaded = await tenant.upload(content.encode(), mapping=json.dumps({"fieldMappings": fields}))
    options = {"updateExisting": True, "batchSize": size}
    job = await tenant.execute(uploaded.json()["job"]["id"], **options)
    assert outcome(job) == (150, 2, 0, 0)
    assert (await records(tenant))["U1"]["priority"] == 1


async def test_an_id_goes_with_its_number_where_another_record_has_none(tenant: Tenant) -> None:
    await brought(tenant, TestByNumber.CSV, "a.csv")
    content = json_of(("s1", "N1", "c"), ("s1", "", "d"))
    job = await brought(tenant, content, "a.json", updateExisting=True)
    assert outcome(job) == (0, 2, 0, 0)
    assert await titles(tenant) == {"N1": "d", "N2": "b"}


async def test_one_id_may_repeat_thousands_of_times(tenant: Tenant) -> None:
    rows = "".join(f"U1,t{number // 2},New,1,\n" for number in range(8_000))
    job = await imported(tenant, HEAD + rows, updateExisting=True)
    assert outcome(job) == (1, 3_999, 4_000, 0)
    assert (await records(tenant))["U1"]["title"] == "t3999"


async def test_what_is_edited_between_two_batches_stays(tenant: Tenant) -> None:
    later = f"{HEAD}U1,a,New,1,\n{BETWEEN}U1,b,New,1,\n"
    uploaded = (await tenant.upload(later.encode())).json()["job"]["id"]
    edit = (
        "create function edit() returns trigger language plpgsql as $$ begin"
        f" update {tenant.id.schema}.incidents set title = 'Edited' where source_id = 'U1';"
        " return new; end $$;"
        "create trigger edit after insert on incidents for each row"
        " when (new.source_id = 'X50') execute function edit();"
    )
    await tenant.run(edit)
    options = {"updateExisting": True, "batchSize": 100}
    job = await tenant.execute(uploaded, **options)
    assert outcome(job) == (151, 0, 1, 0)
    assert (await records(tenant))["U1"]["title"] == "Edited"


async def test_an_update_with_repetitions_is_undone(tenant: Tenant) -> None:
    await imported(tenant, FIRST)
    before = await tenant.sql("select to_jsonb(t)::text from incidents t order by id")
    rows = "U1,a,New,1,\nX1,a,New,1,\nU1,b,New,1,\nX1,b,New,1,\n"
    later = f"{HEAD}{rows}U2,Cold office,New,3,\nU2,c,New,3,\n"
    job = await imported(tenant, later, updateExisting=True)
    assert outcome(job) == (1, 4, 1, 0)
    await roll_back(tenant, job["id"])
    assert await tenant.sql("select to_jsonb(t)::text from incidents t order by id") == before


async def test_who_refuses_duplicates_is_told_of_those_that_came_since(tenant: Tenant) -> None:
    job_id = (await tenant.upload(FIRST.encode())).json()["job"]["id"]
    options = {"skipDuplicates": False}
    dry = await tenant.execute(job_id, dryRun=True, **options)
    assert dry["report"]["wouldRun"]
    await imported(tenant, FIRST)
    job = await tenant.execute(job_id, **options)
    assert (job["status"], job["report"]["outcome"]) == ("preview", "validation_failed")
    assert {each["code"] for each in await tenant.errors(job_id)} == {"duplicate_record"}


class TestRefused:
    """Duplicates are refused, and the tenant gets one while the file is imported."""

    FILE = export(25_000)
    LATE = export(range(24_001, 24_011))
    OPTIONS: ClassVar = {"skipDuplicates": False}

    async def test_it_is_listed(self, tenant: Tenant) -> None:
        job_id, _ = await paused(tenant, self.FILE, continueOnError=True, **self.OPTIONS)
        await tenant.migrate(self.LATE)
        job = await resumed(tenant, job_id)
        assert outcome(job) == (24_990, 0, 0, 10)
        errors = await tenant.errors(job_id)
        assert [each["row"] for each in errors] == [*range(24_001, 24_011)]
        assert {each["code"] for each in errors} == {"duplicate_record"}

    async def test_one_that_is_known_by_its_number_has_the_id_of_the_file(
        self, tenant: Tenant
    ) -> None:
        some = [(f"x{number}", f"X{number}", "t") for number in range(20_000)]
        content = json_of(*some, ("s1", "N1", "c"))
        uploaded = await tenant.upload(content, "a.json", sourceSystem="servicenow")
        job_id = uploaded.json()["job"]["id"]
        how = {"continueOnError": True, "matchBy": "number", **self.OPTIONS}
        await paused_in(tenant, job_id, batchSize=100, **how)
        await brought(tenant, json_of(("s2", "N1", "a")), "b.json")
        assert outcome(await resumed(tenant, job_id)) == (20_000, 0, 0, 1)
        [error] = await tenant.errors(job_id)
        assert (error["row"], error["sourceId"]) == (20_001, "s1")

    async def test_or_all_is_taken_back(self, tenant: Tenant) -> None:
        job_id, _ = await paused(tenant, self.FILE, continueOnError=False, **self.OPTIONS)
        await tenant.migrate(self.LATE)
        job = await resumed(tenant, job_id)
        assert (job["status"], job["failure"]["code"]) == ("failed", "duplicate_record")
        assert job["failure"]["row"] == 24_001
        assert len(await tenant.records()) == 10
