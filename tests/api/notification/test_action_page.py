"""Links in mails: a page that changes nothing until its button is pressed, on the whole service."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from receivers import smtp
from tests.api.notification import notifying as n
from tests.service import Tenant

ENTITY = {"entityType": "incident", "entityId": "INC-1"}
USER = {"id": "u-1", "email": "jo@acme.example"}
_LINK = re.compile(r"(Acknowledge|Resolve): (https://firelater\.invalid/v1/actions/\S+)")


async def mailed(tenant: Tenant, **event: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """The paths of the links in the mail of an event, and its delivery."""
    mail = smtp.SmtpReceiver("none", login=False)
    async with smtp.serving(mail, tenant.service.receiver_ports[0]):
        config = {
            "host": "127.0.0.1",
            "port": mail.port,
            "security": "none",
            "fromAddress": "alerts@firelater.example",
        }
        made = await n.integration(tenant, "email", config)
        await n.channel(tenant, made, "email")
        [id] = await n.notify(tenant, user=USER, **event)
        [delivery] = await n.deliveries(tenant, id)
    [received] = mail.received
    plain = received.message.get_body(("plain",))
    assert plain is not None
    text = plain.get_content()
    return {name: urlsplit(url).path for name, url in _LINK.findall(text)}, delivery


async def press(tenant: Tenant, path: str, **fields: str) -> httpx.Response:
    return await tenant.service.http.post(path, data=fields)


async def types(tenant: Tenant) -> list[str]:
    found = (await tenant.get("/v1/notifications")).json()["data"]
    return [each["eventType"] for each in found][::-1]


async def test_the_button_of_the_page_acts_and_the_page_alone_does_not(tenant: Tenant) -> None:
    links, _ = await mailed(tenant, **ENTITY)
    assert links.keys() == {"Acknowledge", "Resolve"}
    for _ in range(3):  # a scanner of mails
        page = await tenant.service.http.get(links["Acknowledge"])
        assert page.status_code == 200
        assert "It is open." in page.text
        assert "<button>Acknowledge</button>" in page.text
    assert await types(tenant) == ["incident.created"]
    answer = await press(tenant, links["Acknowledge"])
    assert (answer.status_code, "It is acknowledged now." in answer.text) == (200, True)
    assert await types(tenant) == ["incident.created", "incident.acknowledged"]
    [done] = (await tenant.get("/v1/notifications", eventType="incident.acknowledged")).json()[
        "data"
    ]
    assert done["title"] == "Acknowledged in Email (SMTP) by jo@acme.example"


async def test_a_link_acts_once(tenant: Tenant) -> None:
    links, _ = await mailed(tenant, **ENTITY)
    await press(tenant, links["Resolve"])
    await n.notify(tenant, eventType="incident.reopened", **ENTITY)
    again = await press(tenant, links["Resolve"])
    assert "It is open now." in again.text
    assert await types(tenant) == ["incident.created", "incident.resolved", "incident.reopened"]


async def test_what_is_over_has_no_button(tenant: Tenant) -> None:
    links, _ = await mailed(tenant, **ENTITY)
    await n.notify(tenant, eventType="incident.resolved", **ENTITY)
    page = await tenant.service.http.get(links["Acknowledge"])
    assert "It is resolved." in page.text
    assert "<button>" not in page.text


async def test_titles_are_text_and_the_page_cannot_be_framed(tenant: Tenant) -> None:
    links, _ = await mailed(tenant, title="<script>alert(1)</script>", **ENTITY)
    page = await tenant.service.http.get(links["Resolve"])
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


async def test_the_record_shows_no_link(tenant: Tenant) -> None:
    """A viewer of records may not act, and so must not see a link."""
    links, delivery = await mailed(tenant, **ENTITY)
    token = links["Resolve"].rpartition("/")[2]
    shown = str(delivery)
    assert "/v1/actions/[redacted]" in shown
    assert token not in shown
    kept = await tenant.sql("select request::text as request, response from delivery_attempts")
    assert len(kept) == 1
    assert "/v1/actions/[redacted]" in str(kept)
    assert token not in str(kept)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_forged_link_is_refused(tenant: Tenant, method: str) -> None:
    links, _ = await mailed(tenant, **ENTITY)
    path = links["Resolve"]
    for forged in (path[:-4], path.replace("/v1/actions/", "/v1/actions/e"), "/v1/actions/x.y"):
        answer = await tenant.service.http.request(method, forged)
        assert answer.status_code == 410
        assert "not one of our links" in answer.text
    assert await types(tenant) == ["incident.created"]


async def test_an_event_without_an_entity_has_no_links(tenant: Tenant) -> None:
    links, _ = await mailed(tenant)
    assert links == {}


async def test_the_links_of_a_deleted_integration_are_dead(tenant: Tenant) -> None:
    links, delivery = await mailed(tenant, **ENTITY)
    path = f"/v1/integrations/{delivery['integrationId']}"
    await tenant.service.http.delete(path, headers=tenant.headers)
    answer = await press(tenant, links["Resolve"])
    assert answer.status_code == 410
    assert await types(tenant) == ["incident.created"]
