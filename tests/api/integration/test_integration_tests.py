"""A connection test reports the truth, whatever state the vendor is in."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from temporalio.client import WorkflowExecution

from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import Reply, serving
from receivers.webhook import WebhookReceiver
from tests.api.integration.connecting import (
    KEY,
    PATH,
    created,
    everything,
    pagerduty,
    patch,
    pointers,
    temporal,
)
from tests.api.refused import BAD
from tests.integrations.examples import STEMS, example, kind_of, secrets_of
from tests.service import Tenant


class TestTesting:
    """`test` says the truth, whatever state the vendor is in."""

    @pytest.fixture
    async def receiver(self, tenant: Tenant) -> AsyncIterator[PagerDutyReceiver]:
        keys = frozenset({KEY})
        receiver = PagerDutyReceiver(keys, rest_keys=frozenset({"rest-key-of-the-test"}))
        async with serving(receiver, tenant.service.receiver_ports[0]):
            yield receiver

    def config(self, receiver: PagerDutyReceiver, **changes: Any) -> dict[str, Any]:
        urls = {"baseUrl": receiver.url, "restBaseUrl": receiver.url}
        return {"integrationKey": KEY, "restApiKey": "rest-key-of-the-test"} | urls | changes

    async def test_of_a_good_connection(self, tenant: Tenant, receiver: PagerDutyReceiver) -> None:
        made = await created(tenant, pagerduty(config=self.config(receiver)))
        response = await tenant.post(f"{PATH}/{made['id']}/test")
        outcome = response.json()["data"]
        assert (response.status_code, outcome["success"]) == (200, True)
        assert "error" not in outcome
        assert [each.keys() for each in outcome["checks"]] == [{"name", "ok", "detail"}] * 3
        row = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
        assert (row["health"], row["last_error"]) == ("connected", None)
        assert row["version"] == made["version"]
        (log, _) = (await tenant.get(f"{PATH}/{made['id']}/logs")).json()["data"]
        assert (log["level"], log["action"]) == ("info", "test")

    @pytest.mark.parametrize(
        ("change", "reply", "status", "wrong"),
        [
            ({"integrationKey": KEY[::-1]}, None, "misconfigured", "Events API takes the key"),
            ({"restApiKey": "another"}, None, "misconfigured", "REST key valid"),
            ({}, Reply(500), "failing", "Events API takes the key"),
            ({}, Reply(429), "failing", "Events API takes the key"),
            ({}, Reply(reset=True), "failing", "Events API takes the key"),
        ],
        ids=["key", "rest key", "500", "429", "reset"],
    )
    async def test_of_a_bad_one(
        self,
        tenant: Tenant,
        receiver: PagerDutyReceiver,
        change: dict[str, Any],
        reply: Reply | None,
        status: str,
        wrong: str,
    ) -> None:
        made = await created(tenant, pagerduty(config=self.config(receiver, **change)))
        receiver.always = reply
        response = await tenant.post(f"{PATH}/{made['id']}/test")
        outcome = response.json()["data"]
        assert (response.status_code, outcome["success"]) == (200, False)
        first = next(each for each in outcome["checks"] if not each["ok"])
        assert (first["name"], outcome["error"]) == (wrong, f"{wrong}: {first['detail']}")
        row = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
        assert (row["health"], row["last_error"]) == (status, outcome["error"])
        failures = await tenant.get(f"{PATH}/{made['id']}/logs", level="error")
        (log,) = failures.json()["data"]
        assert (log["detail"], len(log["context"]["checks"])) == (outcome["error"], 3)

    async def test_shows_no_secret_that_the_vendor_quotes(
        self, tenant: Tenant, receiver: PagerDutyReceiver
    ) -> None:
        made = await created(tenant, pagerduty(config=self.config(receiver)))
        errors = [f"the key {KEY} is not known", f"and neither is {quote(KEY)}"]
        said = {"status": "invalid event", "message": "no", "errors": errors}
        receiver.told.append(Reply(400, json.dumps(said)))
        response = await tenant.post(f"{PATH}/{made['id']}/test")
        assert "is not known" in response.text
        assert KEY not in response.text
        assert KEY not in await everything(tenant)
        assert KEY not in await self.history(tenant, made["id"])

    async def history(self, tenant: Tenant, id: str) -> str:
        """What Temporal keeps of the integration's tests."""
        client = await temporal(tenant)
        found: list[WorkflowExecution] = []
        async with asyncio.timeout(30):  # visibility is a moment late
            while not found:
                query = f"WorkflowId STARTS_WITH 'integration-test/{id}'"
                found = [each async for each in client.list_workflows(query)]
        (run,) = found
        return (await client.get_workflow_handle(run.id).fetch_history()).to_json()

    async def test_of_a_draft_leaves_nothing(
        self, tenant: Tenant, receiver: PagerDutyReceiver
    ) -> None:
        for key, works in ((KEY, True), (KEY[::-1], False)):
            config = self.config(receiver, integrationKey=key)
            response = await tenant.post(f"{PATH}/test", {"type": "pagerduty", "config": config})
            assert response.json()["data"]["success"] is works, response.text
        assert await tenant.sql("select 1 from integration_drafts") == []
        assert (await tenant.get(PATH)).json()["data"] == []

    @pytest.mark.parametrize("name", [n for n in BAD if BAD[n][2].startswith("/config/")])
    async def test_of_a_draft_that_cannot_be_saved(self, tenant: Tenant, name: str) -> None:
        body, code, pointer = BAD[name]
        draft = {"type": body["type"], "config": body["config"]}
        response = await tenant.post(f"{PATH}/test", draft)
        assert (response.status_code, response.json()["code"]) == (422, code)
        assert pointer in pointers(response)

    async def test_of_a_draft_without_a_signing_secret(self, tenant: Tenant) -> None:
        receiver, port = WebhookReceiver(), tenant.service.receiver_ports[0]
        async with serving(receiver, port):
            receiver.always = Reply(204)
            draft = {"type": "generic_webhook", "config": {"url": f"{receiver.url}/hook"}}
            outcome = (await tenant.post(f"{PATH}/test", draft)).json()["data"]
            assert outcome["success"], outcome
            assert receiver.received[0].headers["webhook-signature"].startswith("v1,")

    async def test_a_result_for_a_replaced_version_is_not_recorded(
        self, tenant: Tenant, receiver: PagerDutyReceiver
    ) -> None:
        made = await created(tenant, pagerduty(config=self.config(receiver)))
        receiver.always = Reply(hang=True)
        testing = asyncio.create_task(tenant.post(f"{PATH}/{made['id']}/test"))
        await receiver.until(len)
        change = {"config": {"group": "changed meanwhile"}}
        assert (await patch(tenant, made["id"], change)).status_code == 200
        receiver.always = None
        receiver.released.set()
        assert not (await testing).json()["data"]["success"]
        row = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
        assert (row["health"], row["last_error"]) == ("untested", None)


@pytest.mark.parametrize("stem", STEMS)
async def test_every_example_is_saved_and_tested(tenant: Tenant, stem: str) -> None:
    """If no server answers, every type says so, and neither shows nor keeps a secret."""
    url = f"http://127.0.0.1:{tenant.service.receiver_ports[-1]}"
    body = {"name": stem, "type": kind_of(stem), "config": example(stem, url)["config"]}
    made = await created(tenant, body)
    outcome = (await tenant.post(f"{PATH}/{made['id']}/test")).json()["data"]
    row = (await tenant.get(f"{PATH}/{made['id']}")).json()["data"]
    assert (outcome["success"], row["health"]) == (False, "failing"), outcome
    held = f"{made}{outcome}{row}{await everything(tenant)}"
    assert not [secret for secret in secrets_of(stem, url) if secret in held]
