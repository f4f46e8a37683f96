"""The requests of the platform's document, word by word: integrations, channels and their lists."""

from typing import Any

import pytest

from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import serving
from tests.api.integration.connecting import PATH, created, delete, patch, pointers
from tests.api.notification.owning import PATH as CHANNELS
from tests.api.notification.owning import made
from tests.service import Tenant

SLACK: dict[str, Any] = {
    "name": "Slack Notifications",
    "type": "slack",
    "description": "Send incident notifications to Slack",
    "config": {
        "botToken": "xoxb-your-bot-token",
        "defaultChannel": "#incidents",
        "channelMap": {
            "issue.created": "#incidents",
            "sla.breached": "#critical-alerts",
            "change.approved": "#change-management",
        },
    },
}
PAGERDUTY: dict[str, Any] = {
    "name": "PagerDuty Incidents",
    "type": "pagerduty",
    "description": "Create PagerDuty incidents for critical issues",
    # The document's has 33 characters, and PagerDuty's have 32.
    "config": {"integrationKey": "R1234567890ABCDEF1234567890ABCDE", "defaultSeverity": "error"},
}
TEAMS: dict[str, Any] = {
    "name": "Teams Notifications",
    "type": "teams",
    "description": "Send notifications to IT Operations channel",
    "config": {"webhookUrl": "https://outlook.office.com/webhook/..."},
}
TYPES = [
    {"id": "slack", "name": "Slack", "description": "Send notifications to Slack channels"},
    {
        "id": "teams",
        "name": "Microsoft Teams",
        "description": "Send notifications to Teams channels",
    },
    {"id": "pagerduty", "name": "PagerDuty", "description": "Trigger incidents in PagerDuty"},
    {"id": "servicenow", "name": "ServiceNow", "description": "Integrate with ServiceNow ITSM"},
    {"id": "email", "name": "Email (SMTP)", "description": "Send email notifications"},
    {
        "id": "generic_webhook",
        "name": "Generic Webhook",
        "description": "Custom webhook integration",
    },
]


class TestIntegrations:
    @pytest.mark.parametrize("type", TYPES, ids=lambda each: each["id"])
    async def test_the_types_have_the_documented_members(
        self, tenant: Tenant, type: dict[str, str]
    ) -> None:
        found = (await tenant.get(f"{PATH}/types")).json()["data"]
        assert type in [{name: each[name] for name in type} for each in found]

    async def test_the_slack_integration_is_made_as_documented(self, tenant: Tenant) -> None:
        row = await created(tenant, SLACK)
        documented = {"name": "Slack Notifications", "type": "slack", "is_active": True}
        assert documented | {"connection_status": None} == {
            name: row[name] for name in (*documented, "connection_status")
        }
        assert row["created_at"]
        assert row["config"]["channelMap"] == SLACK["config"]["channelMap"]

    async def test_a_retired_teams_connector_is_refused_with_the_way_out(
        self, tenant: Tenant
    ) -> None:
        refused = await tenant.post(PATH, TEAMS)
        assert (refused.status_code, pointers(refused)) == (422, ["/config/webhookUrl"])
        assert "orkflow" in refused.json()["message"]

    async def test_every_route_of_the_document_is_there(self, tenant: Tenant) -> None:
        row = await created(tenant, SLACK)
        assert (await tenant.get(PATH)).json()["data"] == [row]
        assert (await tenant.get(f"{PATH}/{row['id']}")).json()["data"] == row
        assert (await patch(tenant, row["id"], {"description": "Other"})).status_code == 200
        assert (await tenant.get(f"{PATH}/{row['id']}/logs")).json()["data"][0]["action"]
        assert (await delete(tenant, row["id"])).status_code == 204


class TestPagerDuty:
    async def test_the_integration_is_made_as_documented(self, tenant: Tenant) -> None:
        row = await created(tenant, PAGERDUTY)
        assert row["config"]["defaultSeverity"] == "error"

    async def test_the_key_of_the_document_is_one_too_long(self, tenant: Tenant) -> None:
        config = {"integrationKey": "R1234567890ABCDEF1234567890ABCDEF", "defaultSeverity": "error"}
        refused = await tenant.post(PATH, PAGERDUTY | {"config": config})
        assert pointers(refused) == ["/config/integrationKey"]
        assert "32 letters and digits" in refused.json()["message"]

    async def test_the_severity_of_before_is_the_same_setting(self, tenant: Tenant) -> None:
        key = PAGERDUTY["config"]["integrationKey"]
        row = await created(
            tenant, PAGERDUTY | {"config": {"integrationKey": key, "severity": "warning"}}
        )
        assert row["config"]["defaultSeverity"] == "warning"
        for patched, severity in (
            ({"defaultSeverity": "critical"}, "critical"),
            ({"severity": "P4"}, "info"),
            ({"severity": None}, None),
        ):
            row = (await patch(tenant, row["id"], {"config": patched})).json()["data"]
            assert row["config"].get("defaultSeverity") == severity
        both = {"config": {"defaultSeverity": "info", "severity": "error"}}
        refused = await patch(tenant, row["id"], both)
        assert (refused.status_code, pointers(refused)) == (422, ["/config/defaultSeverity"])

    async def test_a_severity_that_is_none_is_pointed_at(self, tenant: Tenant) -> None:
        key = PAGERDUTY["config"]["integrationKey"]
        config = {"integrationKey": key, "defaultSeverity": "loud"}
        refused = await tenant.post(PATH, PAGERDUTY | {"config": config})
        assert pointers(refused) == ["/config/defaultSeverity"]


class TestWritten:
    """Requests in camelCase, as the platform's client writes them, and in snake_case."""

    @pytest.mark.parametrize(
        "given",
        [
            {"isActive": False, "syncEnabled": False, "syncInterval": 15},
            {"is_active": False, "sync_enabled": False, "sync_interval": 15},
            {"isActive": False, "syncIntervalMinutes": 15},
            {"is_active": False, "syncInterval": 15},
        ],
        ids=str,
    )
    async def test_members_are_taken_in_both_ways(
        self, tenant: Tenant, given: dict[str, Any]
    ) -> None:
        mapped = {"fieldMappings": {"summary": "title"}, "syncDirection": "inbound"}
        row = await created(tenant, SLACK | given | mapped)
        assert (row["is_active"], row["sync_enabled"], row["sync_interval"]) == (False, False, 15)
        assert (row["sync_direction"], row["field_mappings"]) == ("inbound", {"summary": "title"})

    async def test_a_change_takes_them_too(self, tenant: Tenant) -> None:
        row = await created(tenant, SLACK)
        for given in ({"isActive": False}, {"is_active": True}, {"syncDirection": "outbound"}):
            changed = (await patch(tenant, row["id"], given)).json()["data"]
        assert (changed["is_active"], changed["sync_direction"]) == (True, "outbound")

    async def test_what_is_said_in_both_ways_is_refused(self, tenant: Tenant) -> None:
        refused = await tenant.post(PATH, SLACK | {"isActive": True, "is_active": False})
        assert (refused.status_code, pointers(refused)) == (422, ["/is_active"])

    async def test_a_fault_is_shown_where_it_stands(self, tenant: Tenant) -> None:
        for name in ("isActive", "is_active", "syncIntervalMinutes"):
            refused = await tenant.post(PATH, SLACK | {name: "maybe"})
            assert (refused.status_code, pointers(refused)) == (422, [f"/{name}"])

    async def test_names_have_up_to_255_characters(self, tenant: Tenant) -> None:
        assert (await created(tenant, SLACK | {"name": "n" * 255}))["name"] == "n" * 255
        refused = await tenant.post(PATH, SLACK | {"name": "n" * 256})
        assert (refused.status_code, pointers(refused)) == (422, ["/name"])
        assert (await made(tenant, {"name": "c" * 255, "type": "slack"}))["name"] == "c" * 255


class TestCredentials:
    async def test_are_members_of_the_config(self, tenant: Tenant) -> None:
        config = {"defaultChannel": "#incidents"}
        body = SLACK | {"config": config, "credentials": {"botToken": "xoxb-your-bot-token"}}
        row = await created(tenant, body)
        assert row["config"]["botToken"]["set"]
        assert "credentials" not in row
        again = {"credentials": {"botToken": "xoxb-another-token"}}
        changed = (await patch(tenant, row["id"], again)).json()["data"]
        assert changed["config"]["botToken"]["hint"] == "…oken"
        assert changed["config"]["defaultChannel"] == "#incidents"

    async def test_that_are_wrong_are_pointed_at(self, tenant: Tenant) -> None:
        body = SLACK | {"credentials": {"webhookUrl": "https://hooks.slack.com/x"}}
        refused = await tenant.post(PATH, body)
        assert pointers(refused) == ["/credentials/webhookUrl"]
        assert "xoxb-your-bot-token" not in refused.text

    async def test_that_contradict_the_config_are_refused(self, tenant: Tenant) -> None:
        body = SLACK | {"credentials": {"botToken": "xoxb-another-token"}}
        refused = await tenant.post(PATH, body)
        assert (refused.status_code, pointers(refused)) == (422, ["/credentials/botToken"])
        assert "xoxb" not in refused.text
        same = SLACK | {"credentials": {"botToken": SLACK["config"]["botToken"]}}
        assert (await tenant.post(PATH, same)).status_code == 201


class TestSync:
    @pytest.mark.parametrize("name", ["syncEnabled", "sync_enabled"])
    async def test_is_refused_where_there_is_none(self, tenant: Tenant, name: str) -> None:
        refused = await tenant.post(PATH, SLACK | {name: True})
        assert (refused.status_code, refused.json()["code"]) == (422, "sync_unsupported")
        assert refused.json()["message"].startswith("Slack only gets notifications; it has no sync")
        row = await created(tenant, SLACK)
        assert (await patch(tenant, row["id"], {name: True})).json()["code"] == "sync_unsupported"


class TestDrafts:
    """The platform's client first creates an integration by name and type, then configures it."""

    @pytest.mark.parametrize(
        ("given", "is_active"),
        [({}, True), ({"isActive": True}, True), ({"isActive": False}, False)],
    )
    async def test_are_off_until_they_have_a_config(
        self, tenant: Tenant, given: dict[str, Any], is_active: bool
    ) -> None:
        response = await tenant.post(PATH, {"name": "Chat", "type": "slack"} | given)
        row = response.json()["data"]
        assert (response.status_code, row["is_active"], row["config"]) == (201, False, {})
        assert (row["connection_status"], row["health"]) == ("pending", "draft")
        warning = "nothing is sent through this integration until it gets a config"
        assert response.json()["warnings"] == [warning]
        changed = await patch(tenant, row["id"], {"config": SLACK["config"]})
        row = changed.json()["data"]
        assert (row["is_active"], row["connection_status"]) == (is_active, None)

    async def test_cannot_be_switched_on_tested_or_rotated(self, tenant: Tenant) -> None:
        row = await created(tenant, {"name": "Hook", "type": "generic_webhook", "config": {}})
        path = f"{PATH}/{row['id']}"
        answers = [
            await patch(tenant, row["id"], {"isActive": True}),
            await tenant.post(f"{path}/test"),
            await tenant.post(f"{path}/rotate-secret"),
        ]
        assert {each.json()["code"] for each in answers} == {"config_missing"}
        assert (await patch(tenant, row["id"], {"isActive": False})).status_code == 200
        changed = await patch(tenant, row["id"], {"config": {"url": "https://example.com/hook"}})
        assert changed.json()["data"]["is_active"] is False
        assert changed.json()["secret"].startswith("whsec_")

    async def test_their_first_config_is_checked(self, tenant: Tenant) -> None:
        row = await created(tenant, {"name": "Pages", "type": "pagerduty"})
        refused = await patch(tenant, row["id"], {"config": {"region": "eu"}})
        assert (refused.status_code, pointers(refused)) == (422, ["/config/integrationKey"])


class TestStatus:
    async def test_is_one_that_the_platform_colours(self, tenant: Tenant) -> None:
        """`health` is more precise."""
        vendor = PagerDutyReceiver()
        async with serving(vendor, tenant.service.receiver_ports[0]):
            urls = {"baseUrl": vendor.url, "restBaseUrl": vendor.url}
            row = await created(tenant, PAGERDUTY | {"config": PAGERDUTY["config"] | urls})
            assert (row["connection_status"], row["health"]) == (None, "untested")
            tested = await tenant.post(f"{PATH}/{row['id']}/test")
            assert tested.json()["data"]["success"] is True
            assert await self.seen(tenant, row["id"]) == ("connected", "connected")
            vendor.keys = frozenset()
            failed = (await tenant.post(f"{PATH}/{row['id']}/test")).json()["data"]
            assert (failed["success"], "PagerDuty" in failed["error"]) == (False, True)
            assert await self.seen(tenant, row["id"]) == ("failed", "misconfigured")

    @staticmethod
    async def seen(tenant: Tenant, id: str) -> tuple[str, str]:
        row = (await tenant.get(f"{PATH}/{id}")).json()["data"]
        return row["connection_status"], row["health"]


class TestLists:
    async def test_have_numbered_pages_where_they_are_asked_for(self, tenant: Tenant) -> None:
        names = [f"Slack {number}" for number in range(5)]
        for name in names:
            await created(tenant, SLACK | {"name": name})
            await made(tenant, {"name": name, "type": "slack"})
        for path in (PATH, CHANNELS):
            assert "pagination" not in (await tenant.get(path, limit=2)).json()
            found = [(await tenant.get(path, page=number, limit=2)).json() for number in (1, 2, 3)]
            assert [each["name"] for page in found for each in page["data"]] == names
            assert found[1]["pagination"] == {
                **{"page": 2, "perPage": 2, "total": 5, "totalPages": 3}
            }
            beyond = (await tenant.get(path, page=9)).json()
            assert (beyond["data"], beyond["pagination"]["total"]) == ([], 5)

    async def test_logs_have_them_too(self, tenant: Tenant) -> None:
        row = await created(tenant, SLACK)
        for number in range(2):
            await patch(tenant, row["id"], {"description": f"{number}"})
        path = f"{PATH}/{row['id']}/logs"
        found = (await tenant.get(path, page=2, limit=2)).json()
        assert [each["action"] for each in found["data"]] == ["create"]
        assert found["pagination"] == {"page": 2, "perPage": 2, "total": 3, "totalPages": 2}

    async def test_a_page_goes_by_one_of_number_and_cursor(self, tenant: Tenant) -> None:
        for name in ("one", "two"):
            await created(tenant, SLACK | {"name": name})
        cursor = (await tenant.get(PATH, limit=1)).json()["nextCursor"]
        refused = await tenant.get(PATH, page=1, cursor=cursor)
        assert (refused.status_code, pointers(refused)) == (422, ["/page"])
        for page in (0, -1, "one"):
            assert (await tenant.get(PATH, page=page)).status_code == 422

    async def test_are_filtered(self, tenant: Tenant) -> None:
        await created(tenant, SLACK)
        await created(tenant, PAGERDUTY | {"isActive": False})
        await made(tenant, {"name": "ops", "type": "slack"})
        await made(tenant, {"name": "pages", "type": "pagerduty"})
        for path in (PATH, CHANNELS):
            only = (await tenant.get(path, type="pagerduty", page=1)).json()
            assert [each["type"] for each in only["data"]] == ["pagerduty"]
            assert only["pagination"]["total"] == 1
            assert (await tenant.get(path, type="jira")).json()["data"] == []
        active = (await tenant.get(PATH, includeInactive="false")).json()["data"]
        assert [each["type"] for each in active] == ["slack"]


class TestErrors:
    async def test_have_a_message(self, tenant: Tenant) -> None:
        refused = (await tenant.post(PATH, PAGERDUTY | {"config": {"integrationKey": "R1"}})).json()
        assert refused["message"] == (
            "this is not a valid config for PagerDuty"
            " (/config/integrationKey: an integration key has 32 letters and digits)"
        )
        assert {"type", "title", "status", "code", "detail", "errors"} <= refused.keys()
        missing = (await tenant.get(f"{PATH}/{'0' * 8}-0000-0000-0000-{'0' * 12}")).json()
        assert missing["message"] == missing["detail"] == "there is no such integration"
        nowhere = (await tenant.get("/v1/nowhere")).json()
        assert nowhere["message"] == nowhere["detail"]
