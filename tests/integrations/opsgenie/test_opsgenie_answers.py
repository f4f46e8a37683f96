"""Opsgenie: what its answers mean, and what a connection test can say."""

import json
from typing import Any

import pytest

from domain.integration.outcome import Check, DeliveryFailed, FailureClass
from domain.notification.event import Action
from egress.client import egress
from receivers.opsgenie import OpsgenieReceiver
from receivers.receiver import Reply, serving
from tests.conformance import expected
from tests.integrations.examples import message, outgoing
from tests.integrations.opsgenie.sending import CHANNEL, Line, posts

KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"
TAKEN = '{"result":"Request will be processed","took":0.3,"requestId":"43a29c5c-3dbf-4fa4-9c26"}'
RESULTS = expected.rows("Results at Opsgenie")


async def checks_of(receiver: OpsgenieReceiver, **config: Any) -> dict[str, Check]:
    going = outgoing("opsgenie", receiver.url, **config)
    async with egress(receiver.allowed) as out:
        return {check.name: check for check in await CHANNEL.test(going.config, out)}


async def outcome(receiver: OpsgenieReceiver, action: Action) -> str:
    try:
        receipt = await Line(receiver).send(message(action=action))
    except DeliveryFailed as failed:
        return str(failed.failure.kind)
    return "delivered" if receipt.confirmed else "accepted"


@pytest.mark.parametrize("row", RESULTS, ids=lambda row: f"{row[0]}-{row[1][:70]}")
async def test_every_result_has_the_class_of_the_table(row: list[str]) -> None:
    statuses, body, of_a_trigger, of_all_else = row
    said = "<html>A page</html>" if body == "any" else body.strip("`")
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        for status in expected.numbers(statuses):
            for action in Action:
                receiver.told.append(Reply(202, TAKEN))
                receiver.told.extend([Reply(status, said)] * (3 if status == 404 else 1))
                wanted = of_a_trigger if action is Action.TRIGGER else of_all_else
                assert (status, await outcome(receiver, action)) == (status, wanted)
                receiver.told.clear()


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (401, None, "take the key from an API integration that is switched on"),
        (402, None, "the account's plan does not include this"),
        (403, 40301, "not one of the account's API key management"),
        (422, None, "the key is not one of an API integration"),
    ],
)
async def test_a_refused_key_comes_with_advice(status: int, code: int | None, advice: str) -> None:
    receiver = OpsgenieReceiver(keys=frozenset() if status == 401 else None)
    receiver.on_plan, receiver.may_write = status != 402, status != 403
    key = "no-uuid" if status == 422 else KEY
    async with serving(receiver):
        found = await Line(receiver).fail(message(), apiKey=key)
    assert (found.kind, found.status) == (FailureClass.MISCONFIGURED, status)
    assert found.detail.startswith(f"Opsgenie answered {status}: ")
    assert advice in found.detail
    assert code is None or "use an API key from an API integration" in found.detail


async def test_jira_service_management_has_its_own_name_in_errors() -> None:
    receiver = OpsgenieReceiver(keys=frozenset())
    async with serving(receiver):
        found = await Line(receiver).fail(message(), region="jsm")
    assert found.detail.startswith("Jira Service Management answered 401")


async def test_a_refused_request_is_final_and_says_why() -> None:
    receiver = OpsgenieReceiver()
    errors = {"message": "Request body is not processable.", "errors": {"tags": f"{KEY} is bad"}}
    receiver.told.append(Reply(422, json.dumps(errors)))
    async with serving(receiver):
        found = await Line(receiver).fail(message())
    assert found.kind is FailureClass.PERMANENT
    assert found.detail == (
        "Opsgenie answered 422: Request body is not processable; tags [redacted] is bad"
    )


async def test_a_failed_result_is_redacted() -> None:
    receiver = OpsgenieReceiver()
    failed = {"data": {"isSuccess": False, "status": f"Integration is disabled: {KEY}"}}
    receiver.told.extend([Reply(202, TAKEN), Reply(200, json.dumps(failed))])
    async with serving(receiver):
        found = await Line(receiver).fail(message())
    assert (found.kind, found.maybe_sent) == (FailureClass.MISCONFIGURED, False)
    assert found.detail.endswith("could not process it: Integration is disabled: [redacted]")


async def test_too_many_requests_wait_for_the_vendors_period() -> None:
    receiver = OpsgenieReceiver(per_minute=2)
    async with serving(receiver):
        await Line(receiver).send(message())
        found = await Line(receiver).fail(message())
        assert (found.kind, found.retry_after) == (FailureClass.THROTTLED, 60)
        receiver.told.append(
            Reply(429, "", {"Retry-After": "7", "X-RateLimit-Period-In-Sec": "60"})
        )
        assert (await Line(receiver).fail(message())).retry_after == 7


async def test_a_success_without_its_words_is_none() -> None:
    receiver = OpsgenieReceiver()
    bodies = ("", "[]", '{"result": "Request will be processed"}', '{"requestId": 7}')
    receiver.told.extend(Reply(202, body) for body in bodies)
    async with serving(receiver):
        for _ in bodies:
            assert (await Line(receiver).fail(message())).kind is FailureClass.TRANSIENT


async def test_a_request_id_that_leads_elsewhere_is_not_asked_about() -> None:
    receiver = OpsgenieReceiver()
    receiver.told.append(Reply(202, '{"requestId": "../../v1/users?x="}'))
    async with serving(receiver):
        assert not (await Line(receiver).send(message())).confirmed
    assert len(receiver.received) == 1


async def test_the_key_is_sent_but_not_recorded() -> None:
    receiver = OpsgenieReceiver(keys=frozenset({KEY}))
    async with serving(receiver):
        receipt = await Line(receiver).send(message())
    assert receipt.confirmed
    assert {each.headers["Authorization"] for each in receiver.received} == {f"GenieKey {KEY}"}
    assert KEY not in f"{receipt}"


async def test_a_test_opens_nothing_and_says_what_it_proves() -> None:
    receiver = OpsgenieReceiver(keys=frozenset({KEY}))
    async with serving(receiver):
        first, second = await checks_of(receiver), await checks_of(receiver)
    assert all(check.ok for check in [*first.values(), *second.values()])
    assert "anybody is on call" in first["API key may write"].detail
    assert "proves nothing about writing" in first["API key may read"].detail
    assert receiver.alerts == []
    paths = [path for path, _ in posts(receiver)]
    assert len(set(paths)) == 2
    assert all("/probe-" in path and "/close?identifierType=alias" in path for path in paths)


@pytest.mark.parametrize(("region", "reminds"), [("us", True), ("eu", True), ("jsm", False)])
async def test_a_test_reminds_of_the_end_of_opsgenie(region: str, reminds: bool) -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        found = (await checks_of(receiver, region=region)).get("end of life")
    assert (found is not None) is reminds
    if found is not None:
        assert found.ok
        for said in ("5 April 2027", "4 June 2025", "Jira Service Management", "`jsm`"):
            assert said in found.detail


async def test_a_key_that_may_not_read_passes_and_is_told_so() -> None:
    receiver = OpsgenieReceiver()
    receiver.may_read = False
    async with serving(receiver):
        for region in ("us", "jsm"):
            checks = await checks_of(receiver, region=region)
            assert all(check.ok for check in checks.values())
            assert "`accepted`, never `delivered`" in checks["API key may read"].detail


async def test_a_key_that_may_not_write_fails() -> None:
    receiver = OpsgenieReceiver()
    receiver.may_write = False
    async with serving(receiver):
        checks = await checks_of(receiver)
    assert not checks["API key may write"].ok
    assert checks["API key may write"].kind is FailureClass.MISCONFIGURED
    assert "use an API key from an API integration" in checks["API key may write"].detail
    assert checks["API key may read"].ok


async def test_jira_service_managements_disabled_integration_is_found() -> None:
    """It answers 202 all the same."""
    receiver = OpsgenieReceiver()
    receiver.enabled = False
    async with serving(receiver):
        base = f"{receiver.url}/jsm/ops/integration"
        checks = await checks_of(receiver, region="jsm", baseUrl=base)
    assert checks.keys() == {"API key may write"}
    assert "Integration is disabled" in checks["API key may write"].detail
    assert checks["API key may write"].kind is FailureClass.MISCONFIGURED


async def test_jira_service_management_is_not_asked_for_a_list() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        base = f"{receiver.url}/jsm/ops/integration"
        checks = await checks_of(receiver, region="jsm", baseUrl=base)
    assert all(check.ok for check in checks.values())
    assert "`delivered`" in checks["API key may read"].detail
    assert not [each for each in receiver.received if each.path.endswith("?limit=1")]


async def test_a_test_of_nobody_there_fails_check_by_check() -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        pass
    checks = await checks_of(receiver)
    assert [check.ok for check in checks.values()] == [False, False, True]
