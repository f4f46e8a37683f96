"""Mail from an event to the people it names: whom, how often, and what the record says."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.notifying import channel, deliveries, integration, notify
from tests.receivers.smtp import SmtpReceiver, serving
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
