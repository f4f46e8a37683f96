"""An alert's issue at Jira, from the API's events through the whole service."""

from typing import Any

import pytest
from aiohttp import web

from receivers.jira.receiver import JiraReceiver
from tests.api.notification import notifying as n
from tests.service import Tenant

ENTITY = {"entityType": "incident", "entityId": "INC-7"}


async def connected(tenant: Tenant, receiver: JiraReceiver) -> None:
    login = {"email": "jo@example.com", "apiToken": "a-token-of-the-test"}
    config = {"baseUrl": receiver.url, **login, "projectKey": "OPS"}
    await n.channel(tenant, await n.integration(tenant, "jira", config), "jira")


async def told(tenant: Tenant, event: str) -> dict[str, Any]:
    """The delivery of an event of the entity, once it is over."""
    [id] = await n.notify(tenant, eventType=f"incident.{event}", title=event, **ENTITY)
    [delivery] = await n.deliveries(tenant, id)
    return delivery


async def test_events_lead_one_issue_through_its_life(tenant: Tenant) -> None:
    async with n.receiving(tenant, JiraReceiver()) as receiver:
        await connected(tenant, receiver)
        for event, status in (
            ("created", "To Do"),
            ("acknowledged", "In Progress"),
            ("updated", "In Progress"),
            ("resolved", "Done"),
            ("reopened", "To Do"),
        ):
            delivery = await told(tenant, event)
            assert delivery["status"] == "delivered", delivery
            [issue] = receiver.site.issues.values()
            assert issue.status == status
            assert delivery["reference"]["key"] == "OPS-1"
        assert len(issue.comments) == 4


@pytest.mark.campaign  # the search waits for the index, more than a minute
async def test_an_answer_that_was_lost_makes_no_second_issue(tenant: Tenant) -> None:
    receiver = JiraReceiver()
    answer = receiver.answer

    async def losing(request: web.Request, body: bytes) -> web.Response:
        made = await answer(request, body)
        if request.method == "POST":
            receiver.answer = answer  # type: ignore[method-assign]
            return web.Response(status=502)
        return made

    receiver.answer = losing  # type: ignore[method-assign]
    async with n.receiving(tenant, receiver):
        await connected(tenant, receiver)
        [id] = await n.notify(tenant, eventType="incident.created", title="x", **ENTITY)

        [delivery] = await n.deliveries(tenant, id)
        assert delivery["status"] == "delivered", delivery
        assert (await told(tenant, "resolved"))["status"] == "delivered"
    [issue] = receiver.site.issues.values()
    assert (issue.status, delivery["reference"]["id"]) == ("Done", issue.id)
