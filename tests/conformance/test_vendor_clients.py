"""The vendors' own clients, unchanged: they take our receivers for theirs, and our deliveries."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import standardwebhooks
import svix

from domain.integration.outcome import Receipt
from receivers.authority import Authority
from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import Reply, serving
from receivers.webhook import EXAMPLE_SECRET
from tests.conformance.attempts import connected

KEY = "R0UT1NGKEY0FTHEEXAMPLE0000000001"

# PagerDuty's client refuses http://, reads SSL_CERT_FILE and blocks: it gets its own process.
CLIENT = """
import sys, pagerduty
url, key, step = sys.argv[1:]
client = pagerduty.EventsApiV2Client(key, base_url=url)
try:
    match step:
        case "trigger":
            made = client.trigger("Disk is full", "db-1", severity="error",
                                  custom_details={"free": 0}, links=[{"href": "https://a.example"}])
            print(made)
        case "life":
            for act in (client.trigger, client.trigger):
                act("Disk is full", "db-1", dedup_key="k-1")
            print(client.acknowledge("k-1"), client.resolve("k-1"))
        case "severity":
            client.trigger("Disk is full", "db-1", severity="fatal")
        case "abilities":
            rest = pagerduty.RestApiV2Client(key, base_url=url)
            print(rest.rget("/abilities"))
except pagerduty.Error as error:
    sys.exit(f"{type(error).__name__} {error.response.status_code} {error.response.text}")
"""


@pytest.fixture
def authority() -> Authority:
    return Authority()


async def run_client(
    receiver: PagerDutyReceiver, authority: Authority, folder: Path, step: str, key: str = KEY
) -> tuple[int, str]:
    """The exit status of PagerDuty's client and what it printed."""
    bundle = folder / "authority.pem"
    bundle.write_text(authority.pem)
    env = {**os.environ, "SSL_CERT_FILE": str(bundle), "NO_PROXY": "127.0.0.1"}
    async with serving(receiver, tls=authority.server):
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENT, receiver.url, key, step),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=env,
        )
        printed, _ = await asyncio.wait_for(client.communicate(), 60)
    return await client.wait(), printed.decode()


class TestPagerDutysClient:
    async def test_triggers(self, authority: Authority, tmp_path: Path) -> None:
        receiver = PagerDutyReceiver(keys=frozenset({KEY}))
        status, printed = await run_client(receiver, authority, tmp_path, "trigger")
        assert status == 0, printed
        [alert] = receiver.alerts
        assert printed.strip() == alert.dedup_key
        assert alert.payload["custom_details"] == {"free": 0}

    async def test_leads_an_alert_through_its_life(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        receiver = PagerDutyReceiver()
        status, printed = await run_client(receiver, authority, tmp_path, "life")
        assert (status, printed.split()) == (0, ["k-1", "k-1"])
        [alert] = receiver.alerts
        assert (alert.state, alert.triggers) == ("resolved", 2)

    @pytest.mark.parametrize(
        ("step", "key", "said"),
        [
            ("severity", KEY, "'payload.severity' is invalid"),
            ("trigger", KEY[1:], "Length of 'routing_key' is incorrect (should be 32 characters)"),
            ("trigger", KEY[::-1], "Invalid routing key"),
        ],
    )
    async def test_is_told_what_is_wrong(
        self, authority: Authority, tmp_path: Path, step: str, key: str, said: str
    ) -> None:
        receiver = PagerDutyReceiver(keys=frozenset({KEY}))
        status, printed = await run_client(receiver, authority, tmp_path, step, key)
        assert status == 1
        assert "400" in printed
        assert said in printed
        assert receiver.alerts == []

    async def test_waits_when_it_is_too_fast(self, authority: Authority, tmp_path: Path) -> None:
        receiver = PagerDutyReceiver()
        receiver.told.append(Reply(429, '{"status": "throttle exceeded"}'))
        status, printed = await run_client(receiver, authority, tmp_path, "trigger")
        assert status == 0, printed
        assert [each.status for each in receiver.received] == [429, 202]

    async def test_lists_abilities_with_a_rest_key(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        receiver = PagerDutyReceiver(rest_keys=frozenset({"u+rest"}))
        status, printed = await run_client(receiver, authority, tmp_path, "abilities", "u+rest")
        assert status == 0, printed
        assert "teams" in printed
        status, printed = await run_client(receiver, authority, tmp_path, "abilities", "another")
        assert status == 1
        assert "401" in printed


async def test_verifiers_take_our_deliveries_and_no_others() -> None:
    async with connected("generic_webhook") as channel:
        assert isinstance(await channel.send(), Receipt)
    [received] = channel.receiver.received
    headers = dict(received.headers)
    standardwebhooks.Webhook(EXAMPLE_SECRET).verify(received.body, headers)
    svix.Webhook(EXAMPLE_SECRET).verify(received.body, headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(EXAMPLE_SECRET).verify(received.body + b" ", headers)
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(EXAMPLE_SECRET).verify(received.body, headers | {"webhook-id": "another"})
