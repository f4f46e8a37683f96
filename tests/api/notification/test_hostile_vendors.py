"""Vendors whose answers cannot be kept as they are: what became of a delivery is recorded all the
same, or it would be sent again for ever."""

import json
from typing import Any

import pytest

from receivers.jira.receiver import JiraReceiver
from receivers.opsgenie import OpsgenieReceiver
from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import Receiver, Reply
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from receivers.teams import TeamsReceiver
from receivers.webhook import WebhookReceiver
from tests.api.integration import connecting as c
from tests.api.notification import notifying as n
from tests.service import Tenant

UNKEPT = "\0 \ud800 \u202e" + "x" * 3_000  # no text of PostgreSQL's, nor of UTF-8's
OPSGENIE_KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"
TEAMS = f"/workflows/{'0' * 32}/triggers/manual/paths/invoke?api-version=1&sig=1"


def _config(receiver: Receiver) -> dict[str, Any]:
    match receiver:
        case JiraReceiver():
            login = {"email": "jo@example.com", "apiToken": "a-token-of-the-test"}
            return {"baseUrl": receiver.url, **login, "projectKey": "OPS"}
        case OpsgenieReceiver():
            return {"apiKey": OPSGENIE_KEY, "baseUrl": receiver.url}
        case PagerDutyReceiver():
            return {"integrationKey": c.KEY, "baseUrl": receiver.url, "restBaseUrl": receiver.url}
        case SlackReceiver():
            place = {"defaultChannel": "#ops", "baseUrl": f"{receiver.url}/api"}
            return {"botToken": EXAMPLE_TOKEN, **place}
        case TeamsReceiver():
            return {"webhookUrl": receiver.url + TEAMS}
    return {"url": receiver.url, "secret": n.SECRET}


def _body(**more: Any) -> str:
    quoted = dict.fromkeys(("error", "message", "channel", "ts", "user", "team"), UNKEPT)
    return json.dumps({"ok": True, **quoted, "errors": [UNKEPT], **more})


@pytest.mark.parametrize(
    "kind",
    [
        JiraReceiver,
        OpsgenieReceiver,
        PagerDutyReceiver,
        SlackReceiver,
        TeamsReceiver,
        WebhookReceiver,
    ],
)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, _body()),
        (202, _body()),
        (400, _body(ok=False)),
        (401, _body(ok=False)),
        (200, "\ufffe"),
    ],
)
async def test_every_answer_can_be_recorded(
    tenant: Tenant, kind: type[Receiver], status: int, body: str
) -> None:
    headers = {"X-OAuth-Scopes": "chat:write", "x-ms-workflow-run-id": "\u00ff" * 200}
    async with n.receiving(tenant, kind()) as receiver:
        receiver.always = Reply(status, body, headers)
        id = await n.integration(tenant, receiver.kind, _config(receiver))
        await n.channel(tenant, id, receiver.kind)
        [event] = await n.notify(tenant)

        def tried(found: list[dict[str, Any]]) -> bool:
            return bool(found and found[0]["log"] and found[0]["log"][0]["completedAt"])

        [delivery] = await n.deliveries(tenant, event, tried)
        assert delivery["log"][0]["class"] != "unknown"
        tested = await tenant.post(f"{c.PATH}/{id}/test")
        assert tested.status_code == 200, tested.text
        assert all(check["detail"] for check in tested.json()["data"]["checks"])
