"""The instance's refusals: their class, and what the record says about them."""

import json
import time

import pytest

from domain.integration.outcome import FailureClass
from egress.client import egress
from receivers.receiver import Reply, serving
from receivers.servicenow import ServiceNowReceiver
from tests.integrations.examples import message
from tests.integrations.servicenow.instance import ACK, Instance, later

M, T = FailureClass.MISCONFIGURED, FailureClass.TRANSIENT


@pytest.mark.parametrize(
    ("mood", "kind", "words"),
    [
        ("hibernating", M, "hibernates, as instances for developers do: wake it"),
        ("asleep", M, "hibernates, as instances for developers do: wake it"),
        ("login", T, "a page instead of the API's JSON, as of a login"),
    ],
)
async def test_an_instance_that_is_not_there_is_described(
    instance: Instance, mood: str, kind: FailureClass, words: str
) -> None:
    instance.receiver.mood = mood
    failure = await instance.failure(message())
    assert (failure.kind, failure.maybe_sent) == (kind, mood == "login")
    assert words in failure.detail


async def test_a_redirect_to_a_login_is_described(instance: Instance) -> None:
    secret = {"Location": "https://login.acme.example/sso?relay=secret"}
    instance.receiver.told.append(Reply(302, "", secret))
    failure = await instance.failure(message())
    assert (failure.kind, "login page" in failure.detail) == (T, True)
    assert "secret" not in repr(failure)


async def test_who_may_not_insert_is_told_what_is_missing(instance: Instance) -> None:
    instance.receiver.rules.may_insert = False
    failure = await instance.failure(message())
    assert failure.kind is M
    assert failure.detail == (
        "ServiceNow answered 403: Operation Failed: ACL Exception Insert Failed due to security"
        " constraints; give the user a role that may create and change such records, such as itil"
    )


async def test_a_business_rule_that_refuses_is_named(instance: Instance) -> None:
    known = await instance.begin()
    instance.receiver.rules.aborts = "No changes on Fridays"
    failure = await instance.failure(later(ACK), known)
    assert (failure.kind, failure.maybe_sent) == (M, False)
    assert "aborted by Business Rule 'No changes on Fridays^" in failure.detail
    assert "ask who administers it" in failure.detail


async def test_a_table_that_does_not_exist_is_named(instance: Instance) -> None:
    failure = await instance.failure(message(), table="incidents")
    assert failure.kind is M
    assert failure.detail == "ServiceNow answered 400: Invalid table incidents; look at `table`"


async def test_a_cancelled_transaction_may_have_been_done(instance: Instance) -> None:
    instance.receiver.cancels = True
    failure = await instance.failure(message())
    assert (failure.kind, failure.maybe_sent, failure.status) == (T, True, 200)
    assert "took too long" in failure.detail
    assert len(instance.receiver.incidents) == 1


async def test_a_journal_that_quotes_the_words_of_a_cancellation_is_none(
    instance: Instance,
) -> None:
    known = await instance.begin()
    quoted = "Transaction cancelled: maximum execution time exceeded"
    receipt = await instance.send(later(body=quoted), known)
    assert receipt.confirmed


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (202, "", "may or may not be done"),
        (200, "", "without a result"),
        (200, '{"result": {}}', "without a result"),
        (201, '{"result": {"sys_id": "../../sys_user"}}', "without a result"),
        (200, "[", "without a result"),
    ],
)
async def test_a_success_without_a_record_may_have_been_done(
    instance: Instance, status: int, body: str, words: str
) -> None:
    instance.receiver.told.append(Reply(status, body))
    failure = await instance.failure(message())
    assert (failure.kind, failure.maybe_sent) == (T, True)
    assert words in failure.detail


async def test_the_hour_of_a_rate_limit_is_waited_for() -> None:
    receiver = ServiceNowReceiver(per_hour=1)
    async with serving(receiver), egress(receiver.allowed) as out:
        instance = Instance(receiver, out)
        await instance.send(message())
        failure = await instance.failure(message())
    assert failure.kind is FailureClass.THROTTLED
    assert failure.retry_after is not None
    assert 0 < failure.retry_after <= 3_600


@pytest.mark.parametrize(
    ("reset", "least", "most"), [("+90", 85, 90), ("-90", 0, 0), ("soon", None, None)]
)
async def test_the_end_of_a_rate_limits_hour_is_understood(
    instance: Instance, reset: str, least: float | None, most: float | None
) -> None:
    at = str(int(time.time()) + int(reset)) if reset != "soon" else reset
    instance.receiver.told.append(Reply(429, "", {"X-RateLimit-Reset": at}))
    found = (await instance.failure(message())).retry_after
    assert found is None if least is None or most is None else least <= (found or 0) <= most


async def test_an_error_that_quotes_a_secret_does_not_pass_it_on(instance: Instance) -> None:
    secret = "ServiceNowPasswordOfTheExample"
    error = {"error": {"message": f"no {secret}", "detail": "x" * 900}, "status": "failure"}
    instance.receiver.told.append(Reply(403, json.dumps(error)))
    failure = await instance.failure(message())
    assert failure.detail.startswith("ServiceNow answered 403: no [redacted]: xxx")
    assert len(failure.detail) == 500
