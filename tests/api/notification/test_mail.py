"""Mail from an event to its recipients: who gets it, how often, and the record."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receivers.receiver import Reply
from receivers.receiver import serving as webhooks
from receivers.smtp import SmtpReceiver, serving
from receivers.webhook import WebhookReceiver
from tests.api.notification.notifying import (
    SECRET,
    channel,
    deliveries,
    integration,
    notify,
    webhook,
)
from tests.service import Tenant

KIM = {"id": "u-7", "email": "kim@people.example"}


@pytest.fixture
async def mail(tenant: Tenant) -> AsyncIterator[SmtpReceiver]:
    receiver = SmtpReceiver("none", login=False)
    async with serving(receiver, tenant.service.receiver_ports[0]):
        yield receiver


async def connect(tenant: Tenant, mail: SmtpReceiver, *teams: list[str], **more: Any) -> str:
    """An integration, and a default channel for each team; the integration's id."""
    config = {"host": "127.0.0.1", "port": mail.port, "security": "none"}
    config |= {"fromAddress": "desk@firelater.example", "to": ["usual@team.example"]}
    made = await integration(tenant, "email", config | more)
    for number, team in enumerate(teams):
        named: dict[str, Any] = {"name": f"team {number}", "config": {"to": team}}
        await channel(tenant, made, "email", **named)
    return made


async def test_two_teams_and_one_user_get_one_mail_each(tenant: Tenant, mail: SmtpReceiver) -> None:
    await connect(tenant, mail, ["night@team.example"], ["day@team.example"])
    [id] = await notify(tenant, title="Two teams, one user", user=KIM)
    found = await deliveries(tenant, id)
    told = sorted(each.recipients for each in mail.received)
    assert told == [("day@team.example",), ("kim@people.example",), ("night@team.example",)]
    assert len({each.message["Message-ID"] for each in mail.received}) == 3
    assert sum(each["status"] == "accepted" for each in found) == 3


async def test_an_odd_address_fails_alone(tenant: Tenant, mail: SmtpReceiver) -> None:
    await connect(tenant, mail, ["night@team.example"])
    odd = "kim at people"
    [id] = await notify(tenant, user=KIM | {"email": odd})
    found = await deliveries(tenant, id)
    assert [each.recipients for each in mail.received] == [("night@team.example",)]
    assert sorted(each["status"] for each in found) == ["accepted", "failed"]
    [failed] = [each for each in found if each["status"] == "failed"]
    assert odd in failed["lastError"]


async def test_a_refused_recipient_fails_alone(tenant: Tenant, mail: SmtpReceiver) -> None:
    await connect(tenant, mail, ["gone@team.example", "night@team.example"])
    mail.replies["RCPT gone@team.example"] = "550 5.1.1 no such user"
    [id] = await notify(tenant)
    found = await deliveries(tenant, id)
    assert sorted(each["status"] for each in found) == ["accepted", "failed"]
    assert len(mail.received) == 1


async def test_what_is_sent_again_has_the_time_of_a_mail(
    tenant: Tenant, mail: SmtpReceiver
) -> None:
    await connect(tenant, mail, ["night@team.example"])
    [id] = await notify(tenant, expiresAt=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await deliveries(tenant, id)
    await tenant.sql("update notifications set created_at = now() - interval '30 days'")
    await tenant.post(f"/v1/notifications/{id}/resend")
    [sent] = await deliveries(
        tenant, id, lambda found: [(e["status"], e["attempts"]) for e in found] == [("accepted", 2)]
    )
    left = datetime.fromisoformat(sent["deadlineAt"]) - datetime.now(UTC)
    assert timedelta(hours=119) < left <= timedelta(hours=120)


async def test_who_takes_the_place_of_a_recipient_is_told(
    tenant: Tenant, mail: SmtpReceiver
) -> None:
    made = await connect(tenant, mail)
    id = await channel(tenant, made, "email", config={"to": ["gone@team.example"]})
    mail.replies["MAIL"] = "530 5.7.0 log in first"
    [event] = await notify(tenant)
    await deliveries(tenant, event, lambda found: bool(found and found[0]["lastError"]))
    del mail.replies["MAIL"]
    change = {"config": {"to": ["here@team.example"]}}
    path = f"/v1/notification-channels/{id}"
    response = await tenant.service.http.patch(path, json=change, headers=tenant.headers)
    assert response.status_code == 200, response.text
    found = await deliveries(tenant, event)
    assert {each["recipient"]: each["status"] for each in found} == {
        "gone@team.example": "not_sent",
        "here@team.example": "accepted",
    }


async def test_a_mail_server_that_hangs_keeps_no_other_channel_waiting(
    tenant: Tenant, mail: SmtpReceiver
) -> None:
    receiver = WebhookReceiver(SECRET)
    async with webhooks(receiver, tenant.service.receiver_ports[1]):
        await webhook(tenant, receiver)
        await connect(tenant, mail, ["night@team.example"])
        mail.replies["EHLO"] = "hang"
        receiver.told.append(Reply(503, headers={"Retry-After": "8"}))  # more than a round rests
        [id] = await notify(tenant)

        def arrived(found: list[dict[str, Any]]) -> bool:
            return any(each["status"] == "delivered" for each in found)

        found = await deliveries(tenant, id, arrived)
        assert {each["channelType"]: each["status"] for each in found}["email"] == "sending"
        mail.released.set()
