"""The three logins, and the access tokens of OAuth."""

import base64
from typing import Any

import pytest

from domain.integration.outcome import FailureClass
from receivers.receiver import Reply
from receivers.servicenow.login import (
    EXAMPLE_CLIENT,
    EXAMPLE_KEY,
    EXAMPLE_REFRESH,
    EXAMPLE_SECRET,
)
from tests.integrations.examples import message
from tests.integrations.servicenow.instance import Instance

OAUTH: dict[str, Any] = {
    "username": None,
    "password": None,
    "clientId": EXAMPLE_CLIENT,
    "clientSecret": EXAMPLE_SECRET,
}
KEY: dict[str, Any] = {"username": None, "password": None, "apiKey": EXAMPLE_KEY}
M = FailureClass.MISCONFIGURED


async def test_a_password_is_sent_as_basic(instance: Instance) -> None:
    instance.receiver.logins.users = {"zoë": "pä:ss"}
    await instance.send(message(), username="zoë", password="pä:ss")
    proof = base64.b64encode("zoë:pä:ss".encode()).decode()
    assert f"Basic {proof}" in instance.receiver.received[0].headers.values()


async def test_a_key_has_a_header_of_its_own(instance: Instance) -> None:
    await instance.send(message(), **KEY)
    [received] = instance.receiver.received
    headers = {name.lower(): value for name, value in received.headers.items()}
    assert headers["x-sn-apikey"] == EXAMPLE_KEY
    assert "authorization" not in headers


@pytest.mark.parametrize("more", [{}, {"refreshToken": EXAMPLE_REFRESH}])
async def test_a_token_is_asked_for_once_and_kept(instance: Instance, more: dict[str, Any]) -> None:
    for _ in range(3):
        assert (await instance.send(message(), **OAUTH | more)).confirmed
    asked = instance.receiver.received[0]
    assert asked.path == "/oauth_token.do"
    grant = "refresh_token" if more else "client_credentials"
    assert f"grant_type={grant}".encode() in asked.body
    assert instance.receiver.logins.given == 1


async def test_a_token_that_was_revoked_is_replaced_once(instance: Instance) -> None:
    await instance.send(message(), **OAUTH)
    instance.receiver.logins.tokens.clear()
    assert (await instance.send(message(), **OAUTH)).confirmed
    assert instance.receiver.logins.given == 2
    assert len(instance.receiver.incidents) == 2
    instance.receiver.logins.tokens.clear()
    instance.receiver.logins.lasts = -1.0  # what it gives is of no use
    failure = await instance.failure(message(), **OAUTH)
    assert (failure.kind, failure.status) == (M, 401)
    assert instance.receiver.logins.given == 3


@pytest.mark.parametrize(
    "wrong", [{"clientSecret": "wrong"}, {"clientId": "wrong"}, {"refreshToken": "wrong"}]
)
async def test_a_wrong_client_waits_for_a_change(instance: Instance, wrong: dict[str, str]) -> None:
    """ServiceNow says `server_error`, which means a passing trouble elsewhere."""
    failure = await instance.failure(message(), **OAUTH | wrong)
    assert (failure.kind, failure.status, failure.maybe_sent) == (M, 401, False)
    assert "no access token" in failure.detail
    assert instance.receiver.incidents == []


async def test_an_instance_that_hibernates_gives_no_token_and_says_so(instance: Instance) -> None:
    instance.receiver.mood = "hibernating"
    failure = await instance.failure(message(), **OAUTH)
    assert (failure.kind, failure.status) == (M, 200)
    assert "a page, as of a login or of a server that rests" in failure.detail


async def test_a_wrong_password_says_what_to_do(instance: Instance) -> None:
    failure = await instance.failure(message(), password="another-password")
    assert (failure.kind, failure.status) == (M, 401)
    assert failure.detail == (
        "ServiceNow answered 401: User Not Authenticated: Required to provide Auth information;"
        " the login is wrong, expired or locked: put another into the integration"
    )


async def test_an_answer_that_quotes_the_token_does_not_show_it(instance: Instance) -> None:
    await instance.send(message(), **OAUTH)
    [token] = instance.receiver.logins.tokens
    instance.receiver.told.append(Reply(403, f'{{"error": {{"message": "no {token}"}}}}'))
    failure = await instance.failure(message(), **OAUTH)
    assert "no [redacted]" in failure.detail
    assert token not in repr(failure)
