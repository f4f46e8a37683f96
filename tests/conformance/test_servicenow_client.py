"""ServiceNow's own client, PySNC, unchanged: it takes our receiver for an instance."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from receivers.authority import Authority
from receivers.receiver import serving
from receivers.servicenow import ServiceNowReceiver
from receivers.servicenow.login import EXAMPLE_PASSWORD, EXAMPLE_USER

# It refuses http://, reads REQUESTS_CA_BUNDLE and blocks: it gets its own process.
CLIENT = """
import sys, pysnc
url, user, password, step = sys.argv[1:]
client = pysnc.ServiceNowClient(url, (user, password))
incident = client.GlideRecord("incident", batch_size=10)
try:
    match step:
        case "life":
            incident.initialize()
            incident.short_description = "Disk is full"
            incident.assignment_group = "287ebd7da9fe198100f92cc8d1d2154e"
            print(incident.insert(), incident.number, incident.get_display_value("state"))
            found = client.GlideRecord("incident")
            assert found.get(incident.sys_id)
            assert found.get_display_value("assignment_group") == "Network"
            assert len(found.get_value("assignment_group")) == 32
            found.state = "2"
            found.work_notes = "Looking at it"
            assert found.update()
            again = client.GlideRecord("incident")
            assert again.get("number", found.get_value("number"))
            print(again.get_display_value("state"), again.get_display_value("work_notes"))
            assert again.delete()
            print(client.GlideRecord("incident").get(found.sys_id))
        case "pages":
            incident.add_query("short_description", "STARTSWITH", "n")
            incident.add_query("u_none", "ignored")
            incident.fields = "sys_id,short_description"
            incident.order_by("short_description")
            incident.query()
            print(len(incident), *(row.short_description.get_value() for row in incident))
        case "policy":
            assert incident.get("number", "INC1")
            incident.state = "6"
            incident.update()
        case _:
            incident.query()
            print(len(incident))
except Exception as error:
    sys.exit(f"{type(error).__name__} {error}")
"""


async def run_client(
    receiver: ServiceNowReceiver, folder: Path, step: str, password: str = EXAMPLE_PASSWORD
) -> tuple[int, str]:
    """The exit status of the client and what it printed."""
    authority, bundle = Authority(), folder / "authority.pem"
    bundle.write_text(authority.pem)
    env = {**os.environ, "REQUESTS_CA_BUNDLE": str(bundle), "NO_PROXY": "127.0.0.1"}
    async with serving(receiver, tls=authority.server):
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENT, receiver.url, EXAMPLE_USER, password, step),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=env,
        )
        printed, _ = await asyncio.wait_for(client.communicate(), 60)
    return await client.wait(), printed.decode()


async def test_leads_an_incident_through_its_life(tmp_path: Path) -> None:
    receiver = ServiceNowReceiver()
    group = {"sys_id": "287ebd7da9fe198100f92cc8d1d2154e", "name": "Network"}
    receiver.tables["sys_user_group"].fill([group])
    status, printed = await run_client(receiver, tmp_path, "life")
    assert status == 0, printed
    first, second, note, *_, last = printed.splitlines()
    assert first.endswith("INC0010001 New")
    assert second.startswith("In Progress ")
    assert (note, last) == ("Looking at it", "False")
    assert receiver.incidents == []


async def test_pages_through_a_table(tmp_path: Path) -> None:
    receiver = ServiceNowReceiver()
    rows = [{"sys_id": f"{n:032}", "short_description": f"n{n:02}"} for n in range(25)]
    receiver.tables["incident"].fill([*rows, {"sys_id": "x" * 32, "short_description": "other"}])
    status, printed = await run_client(receiver, tmp_path, "pages")
    assert status == 0, printed
    assert printed.split() == ["25", *(f"n{n:02}" for n in range(25))]
    assert len(receiver.received) == 3


async def test_is_told_which_fields_are_missing(tmp_path: Path) -> None:
    receiver = ServiceNowReceiver()
    receiver.tables["incident"].fill([{"sys_id": "a" * 32, "number": "INC1", "state": "1"}])
    status, printed = await run_client(receiver, tmp_path, "policy")
    assert status == 1
    assert printed.startswith("RoleException")
    assert "The following fields are mandatory: Resolution code, Resolution notes" in printed


@pytest.mark.parametrize(("step", "status"), [("count", 0), ("wrong", 1)])
async def test_logs_in(tmp_path: Path, step: str, status: int) -> None:
    password = "wrong" if step == "wrong" else EXAMPLE_PASSWORD
    found, printed = await run_client(ServiceNowReceiver(), tmp_path, step, password)
    assert found == status, printed
    assert printed.split()[0] == ("AuthenticationException" if status else "0")
