"""Channels that were saved with secrets in plain text are moved whole and once."""

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from api.notification.channel_adoption import adopt
from receivers.slack import SlackReceiver
from storage.postgres.database import Database
from storage.secrets.key_check import open_vault
from tests.api.integration.connecting import KEY, everything
from tests.api.notification import notifying as n
from tests.api.notification.owning import PATH, TOKEN, at, patch, seen
from tests.service import Tenant

ROOT = Path(__file__).resolve().parents[3]
HOOK = "https://hooks.slack.com/services/T00000000/B00000000/OfAChannelThatWasOnce"


async def saved(tenant: Tenant, config: Any, type: str = "slack", **more: Any) -> str:
    """Save a channel as earlier versions allowed."""
    values = {"name": f"{type} {random.random()}", "integration_id": None} | more
    [row] = await tenant.sql(
        "insert into notification_channels (name, type, config, integration_id, is_default)"
        " values ($1, $2, $3::jsonb, $4::uuid, true) returning id::text",
        *(values["name"], type, json.dumps(config), values["integration_id"]),
    )
    id: str = row["id"]
    return id


async def adopted(tenant: Tenant) -> int:
    settings = tenant.service.settings
    assert settings.database_url is not None
    database = Database(settings.database_url.get_secret_value(), pool_size=1)
    try:
        return await adopt(database, await open_vault(database, settings.secrets_keyring_file))
    finally:
        await database.close()


async def test_a_token_is_sealed_and_used(tenant: Tenant) -> None:
    async with n.receiving(tenant, SlackReceiver(tokens=(TOKEN,))) as receiver:
        id = await saved(tenant, at(receiver.url, channel="#night"))
        before = await seen(tenant, id)
        assert TOKEN not in json.dumps(before)
        assert TOKEN in await everything(tenant)
        assert await adopted(tenant) == 1
        assert await adopted(tenant) == 0
        assert TOKEN not in await everything(tenant)
        row = await seen(tenant, id)
        assert (row["config"]["channel"], row["warnings"]) == ("#night", [])
        assert row["config"]["botToken"]["hint"] == f"…{TOKEN[-4:]}"
        [event] = await n.notify(tenant)
        [delivery] = await n.deliveries(tenant, event)
    assert delivery["status"] == "delivered"
    audit = await tenant.sql("select action from public.audit_log where subject like $1", f"%/{id}")
    assert [each[0] for each in audit] == ["notification_channel.adopt"]


@pytest.mark.parametrize(
    ("type", "config", "masked"),
    [
        ("slack", {"bot_token": TOKEN, "channel": "#a"}, "botToken"),
        ("slack", {"webhookUrl": HOOK}, "webhookUrl"),
        ("pagerduty", {"integrationKey": KEY}, "integrationKey"),
        ("generic_webhook", {"url": "https://example.com/hook/of-a-channel-once"}, "url"),
    ],
)
async def test_of_every_type_and_spelling(
    tenant: Tenant, type: str, config: dict[str, Any], masked: str
) -> None:
    id = await saved(tenant, config, type)
    assert await adopted(tenant) == 1
    row = await seen(tenant, id)
    assert row["config"][masked]["set"] is True
    assert (row["warnings"], row["health"]) == ([], "untested")
    secret = config.get(masked) or config["bot_token"]
    assert secret not in await everything(tenant)
    assert (await patch(tenant, id, {"config": {"severity": "error"}})).status_code == 200


@pytest.mark.parametrize(
    "config",
    [
        {"botToken": TOKEN},
        {"botToken": TOKEN, "defaultChannel": ["#a", "#b"]},
        {"botToken": {"value": TOKEN}},
        {"botToken": [TOKEN, 7, None], "channel": 7},
    ],
)
async def test_what_cannot_work_is_sealed_too_and_says_so(
    tenant: Tenant, config: dict[str, Any]
) -> None:
    id = await saved(tenant, config)
    assert await adopted(tenant) == 1
    assert TOKEN not in await everything(tenant)
    row = await seen(tenant, id)
    assert row["health"] == "misconfigured"
    assert "not valid" in row["last_error"]
    mended = {"config": {"botToken": TOKEN, "defaultChannel": "#a", "channel": None}}
    response = await patch(tenant, id, mended)
    assert response.json()["data"]["health"] == "untested", response.text


async def test_beside_an_integration_it_is_dropped_and_said(tenant: Tenant) -> None:
    shared = await n.integration(tenant, "slack", {"botToken": TOKEN, "defaultChannel": "#a"})
    stale = f"{TOKEN}-Stale"
    id = await saved(tenant, {"botToken": stale, "channel": "#b"}, integration_id=shared)
    assert await adopted(tenant) == 1
    row = await seen(tenant, id)
    assert (row["config"], row["integration_id"]) == ({"channel": "#b"}, shared)
    assert stale not in await everything(tenant)
    log = (await tenant.get(f"/v1/integrations/{shared}/logs")).json()["data"][0]
    assert (log["action"], log["level"]) == ("adopt", "warning")
    assert "botToken" in log["detail"]


async def test_copies_of_it_go_as_well(tenant: Tenant) -> None:
    id = await saved(tenant, {"botToken": TOKEN, "defaultChannel": "#a", "channel": "#b"})
    await tenant.sql(
        "insert into public.idempotency_keys (tenant_id, key, request_hash, status, response)"
        " values ($1, 'k', 'h', 201, $2::jsonb)",
        tenant.id,
        json.dumps({"data": {"id": id, "name": "c", "config": {"botToken": TOKEN, "x": 1}}}),
    )
    await tenant.sql(
        "with n as (insert into notifications (request_id, event_type, title, body, created_by)"
        " values (uuidv7(), 'a', 't', 'b', 'x') returning id)"
        " insert into notification_deliveries (notification_id, request_id, channel_id,"
        " channel_type, options, rank, deadline_at) select id, id, $1::uuid, 'slack', $2::jsonb,"
        " 1, now() from n",
        *(id, json.dumps({"botToken": TOKEN, "channel": "#b"})),
    )
    await adopted(tenant)
    assert TOKEN not in await everything(tenant)
    [kept] = await tenant.sql("select response from public.idempotency_keys where key = 'k'")
    assert json.loads(kept[0])["data"] == {"id": id, "name": "c", "config": {"x": 1}}
    [left] = await tenant.sql("select options from notification_deliveries")
    assert json.loads(left[0]) == {"channel": "#b"}


async def test_what_holds_no_secret_stays_as_it_is(tenant: Tenant) -> None:
    configs = [{"channel": "#a"}, {"chanel": "#a"}, {}, {"channel": ["#a"]}, {"defaultChannel": 1}]
    ids = [await saved(tenant, config) for config in configs]
    assert await adopted(tenant) == 0
    rows = await tenant.sql("select id::text, config from notification_channels order by id")
    assert {row["id"]: json.loads(row["config"]) for row in rows} == dict(
        zip(ids, configs, strict=True)
    )


async def test_reads_show_nothing_before_it_is_moved(tenant: Tenant) -> None:
    config = {"botToken": TOKEN, "token": TOKEN, "channel": "#a", "defaultChannel": "#b"}
    id = await saved(tenant, config)
    hidden = {"set": True}
    expected = config | {"botToken": hidden, "token": hidden}
    assert (await seen(tenant, id))["config"] == expected
    [listed] = (await tenant.get(PATH)).json()["data"]
    assert listed["config"] == expected


async def test_killed_at_any_moment_it_goes_on(tenant: Tenant) -> None:
    """The command, killed again and again, then run to its end: each channel once, whole."""
    await tenant.sql(
        "insert into notification_channels (name, type, config)"
        " select 'c' || n, 'slack', $1::jsonb from generate_series(1, 300) n",
        json.dumps({"botToken": TOKEN, "defaultChannel": "#a"}),
    )
    settings = tenant.service.settings
    assert settings.database_url is not None
    environment = os.environ | {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "SECRETS_KEYRING_FILE": str(settings.secrets_keyring_file),
    }

    async def run(kill: bool) -> bytes:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli", "secrets", "adopt"),
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        if kill:
            left = len(await _in_clear(tenant))
            async with asyncio.timeout(60):
                while len(await _in_clear(tenant)) > left - 10 and child.returncode is None:
                    await asyncio.sleep(0)
            if child.returncode is None:
                child.kill()
        said, _ = await child.communicate()
        return said

    for _ in range(2):
        await run(kill=True)
    assert await _in_clear(tenant)
    assert (await run(kill=False)).startswith(b"adopted=")
    assert await _in_clear(tenant) == []
    rows = await tenant.sql(
        "select c.id from notification_channels c join integrations i on i.channel_id = c.id"
        " and i.id = c.integration_id and i.name = c.name"
    )
    assert len(rows) == 300
    assert await tenant.sql("select count(*) from integrations") == [(300,)]
    assert TOKEN not in await everything(tenant)


async def _in_clear(tenant: Tenant) -> list[Any]:
    return await tenant.sql("select id from notification_channels where config ? 'botToken'")
