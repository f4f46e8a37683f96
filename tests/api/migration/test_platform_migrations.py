"""Migration requests in the platform's words, as its client and its guide send them."""

import asyncio
import json
from typing import Any
from urllib.parse import unquote

import asyncpg
import httpx
import pytest

from storage.objects.local import LocalStore
from tests.api.wire import END, FIELDS, field, file
from tests.blocked import until_blocked
from tests.service import Tenant

PATH = "/v1/migration"
CSV = (
    b"Number,Summary,State,Prio\n"
    b"INC1,Printer on fire,canceled,5\n"
    b"INC2,Disk full,Stopped,Planning\n"
    b"INC3,No mail,new,Someday\n"
)
MAPPING: dict[str, Any] = {
    "fieldMappings": [
        {"sourceField": "Number", "targetField": "external_id"},
        {"sourceField": "Summary", "targetField": "title"},
        {"sourceField": "State", "targetField": "status"},
        {"sourceField": "Prio", "targetField": "priority"},
    ],
    "statusMappings": [{"sourceStatus": "Stopped", "targetStatus": "canceled"}],
    "priorityMappings": [
        {"sourcePriority": "5", "targetPriority": 5},
        {"sourcePriority": "Someday", "targetPriority": 5},
    ],
}
CONFIG = {"entityType": "incident", **MAPPING}


async def posted(tenant: Tenant, *parts: bytes, **headers: str) -> httpx.Response:
    """An upload whose parts come in this order."""
    body = b"".join(parts).removesuffix(b"\r\n") + END
    given = tenant.headers | {"Content-Type": "multipart/form-data; boundary=edge"} | headers
    return await tenant.service.http.post(f"{PATH}/upload", content=body, headers=given)


def fields(**more: Any) -> bytes:
    values = FIELDS | {"wait": "60"} | more
    return b"".join(field(name, value) for name, value in values.items())


def mapped(**more: Any) -> bytes:
    return fields(mappingConfig=json.dumps(CONFIG), **more)


async def uploaded(tenant: Tenant) -> str:
    response = await posted(tenant, mapped(), file(CSV))
    assert response.status_code == 201, response.text
    id: str = response.json()["job"]["id"]
    return id


async def audited(tenant: Tenant) -> list[str]:
    rows = await tenant.sql(
        "select action from public.audit_log where tenant_id = $1"
        " and action like 'migration.%' order by at",
        tenant.id,
    )
    return [row[0] for row in rows]


class TestWords:
    async def test_an_upload_takes_them(self, tenant: Tenant) -> None:
        response = await posted(tenant, mapped(tenantSlug=tenant.slug), file(CSV))
        preview = response.json()["preview"]
        assert [each["mapped"]["status"] for each in preview["sampleRecords"]] == [
            *("cancelled", "cancelled", "new")
        ]
        assert [each["mapped"]["priority"] for each in preview["sampleRecords"]] == [4, 4, 4]

    async def test_so_does_a_preview_and_an_execution(self, tenant: Tenant) -> None:
        id = await uploaded(tenant)
        asked = {"tenantSlug": tenant.slug, "mappingConfig": CONFIG}
        previewed = await tenant.post(f"{PATH}/{id}/preview", asked)
        assert previewed.status_code == 200, previewed.text
        executed = await tenant.post(f"{PATH}/{id}/execute", asked | {"batchSize": 1})
        assert executed.status_code == 202, executed.text
        assert executed.json()["notes"] == ["batchSize 1 is taken as 100, the smallest"]
        job = await tenant.settled(id)
        assert (job["successfulRecords"], job["options"]["batchSize"]) == (3, 100)

    async def test_an_execution_by_a_template(self, tenant: Tenant) -> None:
        flat = {"name": "ours", "sourceSystem": "generic_csv", **CONFIG}
        made = await tenant.post(f"{PATH}/templates", flat)
        assert made.status_code == 201, made.text
        template = made.json()["data"]
        assert (template["entityType"], template["name"]) == ("incident", "ours")
        assert template["mapping"]["statusMappings"][0]["targetStatus"] == "cancelled"
        upload = await posted(tenant, fields(templateId=template["id"]), file(CSV))
        assert upload.json()["preview"]["sampleRecords"][1]["mapped"]["status"] == "cancelled"
        id = upload.json()["job"]["id"]
        for path, status in (("preview", 200), ("execute", 202)):
            done = await tenant.post(f"{PATH}/{id}/{path}", {"templateId": template["id"]})
            assert done.status_code == status, done.text
        assert (await tenant.settled(id))["successfulRecords"] == 3

    @pytest.mark.parametrize("name", ["templateId", "mappingTemplateId"])
    async def test_an_unknown_template_is_pointed_at_by_the_name_that_was_sent(
        self, tenant: Tenant, name: str
    ) -> None:
        given = {name: "019a0000-0000-7000-8000-000000000000"}
        upload = await posted(tenant, fields(**given), file(CSV))
        execution = await tenant.post(f"{PATH}/{await uploaded(tenant)}/execute", given)
        for refused in (upload, execution):
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
            assert refused.json()["errors"] == [{"pointer": f"/{name}"}]

    @pytest.mark.parametrize("batch", [0, -1, 10_001, "few"])
    async def test_a_batch_that_cannot_be_is_refused(self, tenant: Tenant, batch: Any) -> None:
        id = await uploaded(tenant)
        refused = await tenant.post(f"{PATH}/{id}/execute", {"batchSize": batch})
        assert refused.status_code == 422
        assert [each["pointer"] for each in refused.json()["errors"]] == ["/batchSize"]

    async def test_a_mapping_for_other_records_is_refused(self, tenant: Tenant) -> None:
        id = await uploaded(tenant)
        for other, pointer in (
            ({"entityType": "request"}, "/entityType"),
            ({"sourceSystem": "servicenow"}, "/sourceSystem"),
        ):
            asked = {"mappingConfig": CONFIG | other}
            for path in ("preview", "execute"):
                refused = await tenant.post(f"{PATH}/{id}/{path}", asked)
                assert (refused.status_code, refused.json()["code"]) == (422, "mapping_invalid")
                assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]

    async def test_another_tenants_slug_is_refused(self, tenant: Tenant) -> None:
        id, asked = await uploaded(tenant), {"tenantSlug": "somebody-else"}
        flat = {"name": "ours", "sourceSystem": "generic_csv", **CONFIG}
        answers = [
            await tenant.post(f"{PATH}/{id}/execute", asked),
            await tenant.post(f"{PATH}/{id}/preview", asked | {"mappingConfig": CONFIG}),
            await tenant.post(f"{PATH}/templates", flat | asked),
            await posted(tenant, fields(**asked), file(CSV)),
        ]
        assert {each.status_code for each in answers} == {403}

    async def test_what_is_said_in_both_words_is_refused(self, tenant: Tenant) -> None:
        id = await uploaded(tenant)
        both = {"mapping": MAPPING, "mappingConfig": CONFIG}
        refused = await tenant.post(f"{PATH}/{id}/preview", both)
        assert [each["pointer"] for each in refused.json()["errors"]] == ["/mappingConfig"]

    async def test_faults_of_a_flat_template_are_pointed_at(self, tenant: Tenant) -> None:
        flat = {"name": "ours", "sourceSystem": "generic_csv", "entityType": "incident"}
        for more, pointer in (
            ({"statusMappings": [{"sourceStatus": "a", "targetStatus": "b"}]},
             "/statusMappings/0/targetStatus"),
            ({"priorityMappings": [{"sourcePriority": "a", "targetPriority": 6}]},
             "/priorityMappings/0/targetPriority"),
            ({"fieldMappings": [{}]}, "/fieldMappings/0/sourceField"),
            ({"fieldMappings": [], "colour": "red"}, "/colour"),
            ({"mapping": MAPPING, "fieldMappings": []}, "/fieldMappings"),
            ({}, "/mapping"),
        ):  # fmt: skip
            refused = await tenant.post(f"{PATH}/templates", flat | more)
            assert refused.status_code == 422
            assert pointer in [each["pointer"] for each in refused.json()["errors"]], more

    async def test_a_default_of_5_is_low(self, tenant: Tenant) -> None:
        default = {"sourceField": "None", "targetField": "priority", "defaultValue": 5}
        mapping = MAPPING | {"fieldMappings": [*MAPPING["fieldMappings"][:3], default]}
        upload = await posted(tenant, fields(mapping=json.dumps(mapping)), file(CSV))
        assert upload.json()["preview"]["sampleRecords"][0]["mapped"]["priority"] == 4

    async def test_errors_are_told_in_both_words(self, tenant: Tenant) -> None:
        content = CSV + b"INC4,Broken,Unheard,1\n"
        response = await tenant.upload(content, mapping=json.dumps(MAPPING))
        [error] = await tenant.errors(response.json()["job"]["id"])
        ours = ("row", "sourceId", "code", "detail", "field")
        platforms = ("recordIndex", "recordId", "errorType", "errorMessage", "fieldName")
        assert error["row"] == 4
        told = {platform: error[own] for own, platform in zip(ours, platforms, strict=True)}
        assert {name: error[name] for name in platforms} == told | {"recordIndex": 3}


class TestForm:
    """The platform's guide sends the file before the fields."""

    @pytest.mark.parametrize("last", [b"", field("dryRun", "true")])
    async def test_the_file_may_come_first(self, tenant: Tenant, last: bytes) -> None:
        response = await posted(tenant, file(CSV) + b"\r\n", mapped(), last)
        assert response.status_code == 201, response.text
        assert response.json()["preview"]["totalRecords"] == 3
        id = response.json()["job"]["id"]
        assert (await tenant.execute(id))["successfulRecords"] == 3

    async def test_or_between_the_fields(self, tenant: Tenant) -> None:
        later = field("mappingConfig", json.dumps(CONFIG))
        response = await posted(tenant, fields(), file(CSV) + b"\r\n", later)
        assert response.status_code == 201, response.text
        assert response.json()["preview"]["sampleRecords"][1]["mapped"]["status"] == "cancelled"

    async def test_a_repetition_is_known_in_any_order(self, tenant: Tenant) -> None:
        ids = set()
        for parts in ((mapped(), file(CSV)), (file(CSV) + b"\r\n", mapped())):
            response = await posted(tenant, *parts, **{"Idempotency-Key": "one"})
            ids.add(response.json()["job"]["id"])
        assert len(ids) == 1
        kept = [path for path in tenant.stored_files() if path.suffix == ".csv"]
        assert len({path.name for path in kept}) == 1


class TestObject:
    @pytest.mark.parametrize("is_first", [False, True])
    async def test_says_what_it_is(self, tenant: Tenant, is_first: bool) -> None:
        name = "Störungen 2026 (alle).csv"
        upload = file(CSV, name.encode())
        parts = (upload + b"\r\n", mapped()) if is_first else (mapped(), upload)
        job = (await posted(tenant, *parts)).json()["job"]
        assert job["filePath"].startswith(f"{tenant.slug}/migrations/")
        [row] = await tenant.sql(
            "select file_path from public.migration_jobs where id = $1", job["id"]
        )
        assert row[0] == job["filePath"]
        store = LocalStore(tenant.service.settings.local_storage_dir)
        about = (await store.stat(job["filePath"])).metadata
        assert unquote(about.pop("originalname")) == name == job["fileName"]
        assert about == {
            "sourcesystem": "generic_csv",
            "entitytype": "incident",
            "content-type": "text/csv",
        }

    async def test_a_name_of_many_bytes_fits(self, tenant: Tenant) -> None:
        name = "漢" * 300 + ".csv"
        job = (await posted(tenant, mapped(), file(CSV, name.encode()))).json()["job"]
        store = LocalStore(tenant.service.settings.local_storage_dir)
        kept = (await store.stat(job["filePath"])).metadata["originalname"]
        assert len(kept) <= 1_000
        assert unquote(kept).endswith("漢.csv")


async def test_of_two_mappings_at_once_one_is_previewed(tenant: Tenant) -> None:
    id = await uploaded(tenant)
    holder = await asyncpg.connect(tenant.service.dsn)
    async with holder.transaction():  # until both are about to keep theirs
        await holder.execute("select from public.migration_jobs where id = $1 for update", id)
        path, body = f"{PATH}/{id}/preview", {"mapping": MAPPING}
        asked = [asyncio.create_task(tenant.post(path, body)) for _ in range(2)]
        await until_blocked(tenant.sql, holder.get_server_pid(), count=2)
    await holder.close()
    answers = sorted([(await each).status_code for each in asked])
    assert answers in ([200, 200], [200, 409])


class TestAudit:
    async def test_imports_and_rollbacks_are_on_record(self, tenant: Tenant) -> None:
        id = await uploaded(tenant)
        assert await audited(tenant) == ["migration.create"]
        await tenant.execute(id)
        http = tenant.service.http
        gone = await http.delete(f"{PATH}/{id}/rollback", headers=tenant.headers)
        assert gone.status_code == 202
        assert await audited(tenant) == [
            *("migration.create", "migration.execute", "migration.rollback")
        ]
        [row] = await tenant.sql(
            "select actor, subject from public.audit_log where action = 'migration.rollback'"
            " and tenant_id = $1",
            tenant.id,
        )
        assert (row["actor"][:1] != "", row["subject"]) == (True, f"migration/{id}")

    async def test_what_was_refused_is_said_to_be(self, tenant: Tenant) -> None:
        id = await uploaded(tenant)
        refused = await tenant.service.http.delete(f"{PATH}/{id}/rollback", headers=tenant.headers)
        assert refused.status_code == 409
        assert (await tenant.post(f"{PATH}/{id}/pause")).status_code == 409
        assert (await tenant.post(f"{PATH}/{id}/cancel")).status_code == 202
        assert await audited(tenant) == [
            *("migration.create", "migration.pause", "migration.pause.refused", "migration.cancel")
        ]

    async def test_what_is_done_after_the_asking_broke_off_is(self, tenant: Tenant) -> None:
        id = await uploaded(tenant)
        holder = await asyncpg.connect(tenant.service.dsn)
        async with holder.transaction():  # so that the workflow cannot answer
            await holder.execute("select from public.migration_jobs where id = $1 for update", id)
            asking = asyncio.create_task(tenant.post(f"{PATH}/{id}/execute"))
            await until_blocked(tenant.sql, holder.get_server_pid())
            asking.cancel()
            await asyncio.wait([asking])
        await holder.close()
        assert (await tenant.settled(id))["status"] == "completed"
        assert await audited(tenant) == ["migration.create", "migration.execute"]
