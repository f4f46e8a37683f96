"""The notification in the platform's document, word for word, and those of its queue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from receivers.pagerduty import PagerDutyReceiver
from receivers.slack import SlackReceiver
from receivers.teams import EXAMPLE_SIG, TeamsReceiver
from receivers.webhook import WebhookReceiver
from tests.api.integration.test_platform_integrations import PAGERDUTY, SLACK
from tests.api.notification import notifying as n
from tests.service import Tenant

PATH, PREFERENCES = "/v1/notifications", "/v1/notification-preferences"
DOCUMENTED: dict[str, Any] = {
    "id": "notif-123",
    "eventType": "issue.created",
    "title": "New Incident: Server Down",
    "body": "Production server prod-web-01 is not responding",
    "entityType": "incident",
    "entityId": "INC-12345",
    "metadata": {"severity": "critical", "url": "https://firelater.io/incidents/INC-12345"},
    "user": {"id": "user-456", "email": "admin@company.com", "name": "Admin User"},
}
WORKFLOW = (
    "/workflows/0123456789abcdef0123456789abcdef/triggers/manual/paths/invoke"
    f"?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={EXAMPLE_SIG}"
)


async def accepted(tenant: Tenant, event: dict[str, Any]) -> dict[str, Any]:
    """The event as it is on record."""
    response = await tenant.post(PATH, event)
    assert response.status_code == 202, response.text
    return await n.notification(tenant, response.json()["data"][0]["id"])


@asynccontextmanager
async def paging(tenant: Tenant) -> AsyncIterator[None]:
    """The tenant's events go to PagerDuty, as the document configures it."""
    vendor = PagerDutyReceiver()
    async with n.receiving(tenant, vendor):
        config = PAGERDUTY["config"] | {"baseUrl": vendor.url, "restBaseUrl": vendor.url}
        made = await n.integration(tenant, "pagerduty", config)
        await n.channel(tenant, made, "pagerduty")
        yield


class TestPayloads:
    async def test_slack_gets_the_documented_blocks(self, tenant: Tenant) -> None:
        slack = SlackReceiver(tokens=("xoxb-your-bot-token",))
        async with n.receiving(tenant, slack):
            config = SLACK["config"] | {"baseUrl": f"{slack.url}/api"}
            made = await n.integration(tenant, "slack", config)
            await n.channel(tenant, made, "slack")
            [id] = await n.notify(tenant, DOCUMENTED)
            [delivery] = await n.deliveries(tenant, id)
        assert (delivery["status"], delivery["destination"]) == ("delivered", "incidents")
        header, section, context, *_ = slack.messages[0]["message"]["blocks"]
        assert (header["type"], header["text"]["type"]) == ("header", "plain_text")
        assert header["text"]["text"] == "New Incident: Server Down"
        assert section["type"] == "section"
        assert section["text"]["type"] == "mrkdwn"
        assert section["text"]["text"] == "Production server prod-web-01 is not responding"
        assert context["type"] == "context"
        assert context["elements"][0]["type"] == "mrkdwn"
        assert context["elements"][0]["text"] == "incident: INC-12345"

    async def test_teams_gets_the_documented_card(self, tenant: Tenant) -> None:
        teams = TeamsReceiver()
        async with n.receiving(tenant, teams):
            made = await n.integration(tenant, "teams", {"webhookUrl": teams.url + WORKFLOW})
            await n.channel(tenant, made, "teams")
            [id] = await n.notify(tenant, DOCUMENTED)
            await n.deliveries(tenant, id)
        [card] = teams.cards
        assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
        view, *more = card["actions"]
        assert view == {
            "type": "Action.OpenUrl",
            "title": "View Details",
            "url": "https://firelater.io/incidents/INC-12345",
        }
        assert [each["title"] for each in more] == ["Acknowledge", "Resolve"]

    async def test_pagerduty_gets_the_documented_event(self, tenant: Tenant) -> None:
        async with paging(tenant):
            [id] = await n.notify(tenant, DOCUMENTED)
            [delivery] = await n.deliveries(tenant, id)
        sent = delivery["log"][0]["request"]
        assert (sent["event_action"], sent["dedup_key"]) == ("trigger", "incident_INC-12345")
        documented = {
            "summary": "New Incident: Server Down",
            "severity": "critical",
            "source": "FireLater ITSM",
            "component": "incident",
            "group": "issue.created",
            "custom_details": {
                "event_type": "issue.created",
                "entity_type": "incident",
                "entity_id": "INC-12345",
                "body": "Production server prod-web-01 is not responding",
                "user_name": "Admin User",
                "user_email": "admin@company.com",
                "severity": "critical",
                "url": "https://firelater.io/incidents/INC-12345",
            },
        }
        assert {name: sent["payload"][name] for name in documented} == documented
        assert sent["links"] == [
            {"href": "https://firelater.io/incidents/INC-12345", "text": "View in FireLater"}
        ]

    async def test_pagerduty_takes_the_documented_default_severity(self, tenant: Tenant) -> None:
        async with paging(tenant):
            severities = []
            for type in ("issue.created", "sla.breached", "job.failed", "disk.warning"):
                [id] = await n.notify(tenant, DOCUMENTED | {"eventType": type, "metadata": {}})
                [delivery] = await n.deliveries(tenant, id)
                severities.append(delivery["log"][0]["request"]["payload"]["severity"])
        assert severities == ["error", "critical", "error", "warning"]


class TestRequests:
    async def test_the_documented_one_is_on_record(self, tenant: Tenant) -> None:
        response = await tenant.post(PATH, DOCUMENTED)
        [taken] = response.json()["data"]
        assert (response.status_code, taken["eventId"]) == (202, "notif-123")
        shown = await n.notification(tenant, taken["id"])
        assert shown["eventId"] == DOCUMENTED["id"]
        others = DOCUMENTED.keys() - {"id"}
        assert {name: shown[name] for name in others} == {name: DOCUMENTED[name] for name in others}
        assert shown["notes"] == []

    @pytest.mark.parametrize(
        "event",
        [
            {"eventType": "sla-breach", "title": "Late", "body": None, "metadata": None},
            {"eventType": "issue-assigned", "title": "Yours", "body": None},
            {"eventType": "shift_swap_accepted", "title": "Swapped", "metadata": None},
        ],
        ids=lambda event: event["eventType"],
    )
    async def test_those_of_the_queue_are_taken(
        self, tenant: Tenant, event: dict[str, Any]
    ) -> None:
        user = {"user": {"id": "user-456", "email": None, "name": None}}
        shown = await accepted(tenant, {"id": "n-1"} | event | user)
        assert (shown["body"], shown["metadata"]) == ("", {})
        assert (shown["eventType"], shown["user"]) == (event["eventType"], user["user"])

    async def test_a_user_may_be_an_id(self, tenant: Tenant) -> None:
        plain = {"eventType": "issue.created", "title": "Yours"}
        for given in ({"userId": "user-456"}, {"user_id": "user-456"}):
            assert (await accepted(tenant, plain | given))["user"]["id"] == "user-456"
        both = DOCUMENTED | {"userId": "user-456"}
        assert (await accepted(tenant, both))["user"] == DOCUMENTED["user"]
        assert (await accepted(tenant, plain | {"userId": None}))["user"] is None
        refused = await tenant.post(PATH, DOCUMENTED | {"userId": "user-457"})
        assert refused.status_code == 422
        assert [each["pointer"] for each in refused.json()["errors"]] == ["/userId"]

    async def test_what_else_is_said_of_a_user_is_kept_and_said_to_be_idle(
        self, tenant: Tenant
    ) -> None:
        user = DOCUMENTED["user"] | {"phone": "+49 30 1", "roles": ["admin"], "manager": None}
        shown = await accepted(tenant, DOCUMENTED | {"user": user})
        assert shown["user"] == user
        assert shown["notes"] == [
            "user has unknown members, which are stored but have no effect: phone, roles, manager"
        ]

    @pytest.mark.parametrize(
        ("given", "pointer"),
        [
            ({"user": {"id": "u", "photo": "x" * 5_000}}, "/user"),
            ({"user": {"id": "u", "a": "\0"}}, "/user"),
            ({"user": {"email": "a@b.example"}}, "/user/id"),
            ({"id": ""}, "/id"),
            ({"id": "x" * 201}, "/id"),
            ({"id": 17}, "/id"),
            ({"body": 17}, "/body"),
            ({"metadata": []}, "/metadata"),
            ({"colour": "red"}, "/colour"),
        ],
        ids=str,
    )
    async def test_what_cannot_be_is_pointed_at(
        self, tenant: Tenant, given: dict[str, Any], pointer: str
    ) -> None:
        refused = await tenant.post(PATH, DOCUMENTED | given)
        assert refused.status_code == 422, refused.text
        assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]


class TestEventTypes:
    """`.`, `-` and `_` are equal wherever types are compared; the type is stored unchanged."""

    async def test_they_are_mapped_to_slacks_channels(self, tenant: Tenant) -> None:
        slack = SlackReceiver(tokens=("xoxb-your-bot-token",))
        async with n.receiving(tenant, slack):
            config = SLACK["config"] | {"baseUrl": f"{slack.url}/api", "defaultChannel": "#other"}
            made = await n.integration(tenant, "slack", config)
            await n.channel(tenant, made, "slack")
            found = {}
            for type in ("sla-breach", "SLA_BREACHED", "issue_created", "change-approval"):
                [id] = await n.notify(tenant, DOCUMENTED | {"eventType": type, "entityId": type})
                [delivery] = await n.deliveries(tenant, id)
                found[type] = delivery["log"][0]["request"]["channel"]
        assert found == {
            "sla-breach": "#critical-alerts",
            "SLA_BREACHED": "#critical-alerts",
            "issue_created": "#incidents",
            "change-approval": "#other",  # it asks for what `change.approved` tells
        }


class TestPreferences:
    """Rows of user, event type, channel type and whether it is enabled."""

    @staticmethod
    async def put(tenant: Tenant, path: str, body: Any) -> httpx.Response:
        http = tenant.service.http
        return await http.put(f"{PREFERENCES}/{path}", json=body, headers=tenant.headers)

    async def test_a_row_decides_for_its_events_and_channels(self, tenant: Tenant) -> None:
        async with n.receiving(tenant, WebhookReceiver(n.SECRET)) as hook:
            await n.webhook(tenant, hook)
            row = {"eventType": "sla.breached", "channelType": "generic_webhook", "enabled": False}
            email = {"eventType": "issue.*", "channelType": "email", "enabled": False}
            made = await self.put(tenant, "user-456", {"choices": [row, email]})
            assert made.json()["data"]["choices"] == [row, email]
            reasons = {}
            for type in ("sla-breach", "issue-assigned"):
                [id] = await n.notify(tenant, DOCUMENTED | {"eventType": type})
                [delivery] = await n.deliveries(tenant, id)
                reasons[type] = delivery["reason"]
        assert reasons == {"sla-breach": "event_type_excluded", "issue-assigned": None}

    async def test_one_row_is_set_at_a_time(self, tenant: Tenant) -> None:
        await self.put(tenant, "u-1", {"minSeverity": "error"})
        for path, enabled in (("sla-breach/email", False), ("issue.*/slack", True)):
            done = await self.put(tenant, f"u-1/{path}", {"enabled": enabled})
            assert done.status_code == 200, done.text
        done = await self.put(tenant, "u-1/sla.breached/email", {"enabled": True})
        chosen = done.json()["data"]
        assert chosen == (await tenant.get(f"{PREFERENCES}/u-1")).json()["data"]
        assert (chosen["minSeverity"], chosen["muted"]) == ("error", False)
        assert chosen["choices"] == [
            {"eventType": "issue.*", "channelType": "slack", "enabled": True},
            {"eventType": "sla.breached", "channelType": "email", "enabled": True},
        ]
        fresh = await self.put(tenant, "u-2/issue.created/in_app", {"enabled": False})
        assert len(fresh.json()["data"]["choices"]) == 1

    async def test_what_is_no_row_is_refused(self, tenant: Tenant) -> None:
        twice = [
            {"eventType": type, "channelType": "email", "enabled": enabled}
            for type, enabled in (("sla.breached", True), ("sla-breach", False))
        ]
        refused = await self.put(tenant, "u-1", {"choices": twice})
        assert [each["pointer"] for each in refused.json()["errors"]] == ["/choices"]
        for path, body in (("*/email", {"enabled": True}), ("a/b", {}), ("a/b", {"enabled": None})):
            assert (await self.put(tenant, f"u-1/{path}", body)).status_code == 422
