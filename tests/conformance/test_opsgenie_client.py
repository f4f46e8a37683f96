"""Opsgenie's own client, unchanged, takes our receiver for Opsgenie."""

import asyncio
import os
import sys

import pytest

from receivers.opsgenie import OpsgenieReceiver
from receivers.receiver import Reply, serving

KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"

# The client blocks: it gets its own process.
CLIENT = """
import sys, opsgenie_sdk as sdk
url, key, step = sys.argv[1:]
settings = sdk.Configuration()
settings.host, settings.api_key["Authorization"] = url, key
settings.back_off = 0.01
alerts = sdk.AlertApi(sdk.ApiClient(settings))
disk = {"message": "Disk is full", "alias": "disk/1", "priority": "P1", "details": {"free": "0"},
        "responders": [{"type": "team", "name": "ops"}], "tags": ["a"], "entity": "db-1"}
named = {"identifier": "disk/1", "identifier_type": "alias"}
try:
    match step:
        case "create" | "priority":
            body = disk | ({"priority": "P9"} if step == "priority" else {})
            made = alerts.create_alert(body)
            print(made.id, alerts.get_alert(identifier=made.id).data.message)
        case "life":
            for _ in range(2):
                print(alerts.create_alert(disk).retrieve_result().data.is_success)
            note = sdk.AddNoteToAlertPayload(note="known")
            print(alerts.add_note(add_note_to_alert_payload=note, **named)
                  .retrieve_result().data.is_success)
            for act in (alerts.acknowledge_alert, alerts.close_alert):
                print(act(**named).retrieve_result().data.is_success)
            print(alerts.list_alerts(limit=1).data[0].status)
            gone = alerts.close_alert(**named).request_id
            print(alerts.get_request_status(request_id=gone).data.status)
except sdk.ApiException as error:
    sys.exit(f"{type(error).__name__} {error.status} {error.body}")
"""


async def run_client(receiver: OpsgenieReceiver, step: str, key: str = KEY) -> tuple[int, str]:
    """The exit status of Opsgenie's client and what it printed."""
    env = {**os.environ, "NO_PROXY": "127.0.0.1"}
    async with serving(receiver):
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-c", CLIENT, receiver.url, key, step),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=env,
        )
        printed, _ = await asyncio.wait_for(client.communicate(), 60)
    return await client.wait(), printed.decode()


async def test_creates_an_alert() -> None:
    receiver = OpsgenieReceiver(keys=frozenset({KEY}))
    status, printed = await run_client(receiver, "create")
    assert status == 0, printed
    [alert] = receiver.alerts
    assert printed.split(maxsplit=1) == [alert.id, "Disk is full\n"]
    assert alert.payload["details"] == {"free": "0"}


async def test_leads_an_alert_through_its_life() -> None:
    receiver = OpsgenieReceiver()
    status, printed = await run_client(receiver, "life")
    assert status == 0, printed
    assert printed.splitlines() == [*["True"] * 5, "closed", "Alert does not exist"]
    [alert] = receiver.alerts
    assert (alert.state, alert.count, alert.notes) == ("closed", 2, ["known"])


@pytest.mark.parametrize(
    ("step", "key", "said"),
    [
        ("priority", KEY, "should be one of [ P1, P2, P3, P4, P5 ]"),
        ("create", "no-uuid", "Key format is not valid!"),
        ("create", KEY[::-1].replace("-", "0")[:8] + KEY[8:], "Could not authenticate"),
    ],
)
async def test_is_told_what_is_wrong(step: str, key: str, said: str) -> None:
    keys = None if key == "no-uuid" else frozenset({KEY})
    receiver = OpsgenieReceiver(keys=keys)
    status, printed = await run_client(receiver, step, key)
    assert status == 1
    assert said in printed
    assert receiver.alerts == []


async def test_waits_when_it_is_too_fast() -> None:
    receiver = OpsgenieReceiver()
    receiver.told.append(Reply(429, '{"message": "You are making too many requests!", "took": 0}'))
    status, printed = await run_client(receiver, "create")
    assert status == 0, printed
    assert [each.status for each in receiver.received][:2] == [429, 202]
