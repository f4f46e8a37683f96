"""Mail with tokens that are asked for: given, kept, renewed, refused. All on loopback."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import ValidationError

from api.errors import ApiError
from api.integration.config import check_resent
from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass
from egress.client import Egress, egress
from integrations import CHANNELS
from integrations.channel import Outgoing, secret_names
from integrations.email.channel import Email
from integrations.email.config import EmailConfig, EmailOptions
from integrations.oauth import Grant, Tokens
from receivers import smtp
from receivers.receiver import Reply, serving
from tests.integrations.email.mailing import MESSAGE, SENDER
from tests.receivers.oauth import TokenEndpoint

M, T = FailureClass.MISCONFIGURED, FailureClass.TRANSIENT
SCOPE = "https://outlook.office365.com/.default"


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


class Signed:
    """An integration whose tokens come from an endpoint."""

    def __init__(self, mail: smtp.SmtpReceiver, endpoint: TokenEndpoint, out: Egress) -> None:
        self.mail, self.endpoint, self.out = mail, endpoint, out
        self.clock = Clock()
        self.channel = Email(trust=lambda: smtp.trusting(mail), tokens=Tokens(self.clock))
        self.config = {
            "host": "127.0.0.1",
            "port": mail.port,
            "username": mail.username,
            "fromAddress": SENDER,
            "to": ["ops@example.com"],
            "tokenUrl": f"{endpoint.url}/tenant/oauth2/v2.0/token",
            "clientId": endpoint.client_id,
            "clientSecret": endpoint.client_secret,
            "scope": SCOPE,
        }

    async def send(self, **config: Any) -> None:
        going = Outgoing(MESSAGE, EmailConfig.model_validate(self.config | config), EmailOptions())
        await self.channel.deliver(going, self.channel.request(going), self.out)

    async def failure(self, **config: Any) -> Failure:
        with pytest.raises(DeliveryFailed) as failed:
            await self.send(**config)
        return failed.value.failure

    async def test(self, **config: Any) -> dict[str, Check]:
        found = EmailConfig.model_validate(self.config | config)
        return {check.name: check for check in await self.channel.test(found, self.out)}


@pytest.fixture
async def signed() -> AsyncIterator[Signed]:
    async with signing() as ready:
        yield ready


@asynccontextmanager
async def signing() -> AsyncIterator[Signed]:
    mail, endpoint = smtp.SmtpReceiver(), TokenEndpoint()
    mail.mechanisms, mail.token = {"XOAUTH2"}, "token-1"
    async with (
        smtp.serving(mail),
        serving(endpoint),
        egress(f"{mail.allowed},{endpoint.allowed}") as out,
    ):
        yield Signed(mail, endpoint, out)


async def test_a_token_is_asked_for_once_and_kept(signed: Signed) -> None:
    for _ in range(3):
        await signed.send()
    assert len(signed.mail.received) == 3
    [asked] = signed.endpoint.received
    assert b"grant_type=client_credentials" in asked.body
    assert b"scope=https%3A%2F%2Foutlook.office365.com%2F.default" in asked.body


async def test_a_refresh_token_is_another_grant(signed: Signed) -> None:
    endpoint = signed.endpoint
    await signed.send(refreshToken=endpoint.refresh_token, clientSecret=None, scope=None)
    [asked] = endpoint.received
    assert b"grant_type=refresh_token" in asked.body
    assert b"scope" not in asked.body


@pytest.mark.parametrize(
    ("lasts", "later", "renewed"),
    [
        (3_600, 3_200, False),
        (3_600, 3_301, True),
        ("3599", 3_310, True),
        (60, 20, False),
        (60, 31, True),
        (None, 299, False),
        (None, 301, True),
        ("soon", 301, True),
    ],
)
async def test_it_is_renewed_before_it_ends(
    signed: Signed, lasts: Any, later: float, renewed: bool
) -> None:
    signed.endpoint.expires_in = lasts
    signed.endpoint.tokens = ["token-1", "token-1"]
    await signed.send()
    signed.clock.now += later
    await signed.send()
    assert signed.endpoint.given == 1 + renewed


async def test_many_at_once_ask_once() -> None:
    async with signing() as signed:
        grant = EmailConfig.model_validate(signed.config).grant
        assert grant is not None
        tokens = Tokens()
        found = await asyncio.gather(*(tokens.token(grant, signed.out) for _ in range(20)))
    assert {token.text for token in found} == {"token-1"}
    assert signed.endpoint.given == 1


async def test_another_secret_is_another_grant(signed: Signed) -> None:
    """A token that was issued for one secret is never used with another."""
    await signed.send()
    failure = await signed.failure(clientSecret="wrong")
    assert failure.kind is M
    assert len(signed.endpoint.received) == 2


async def test_a_kept_token_that_the_server_refuses_is_replaced_once(signed: Signed) -> None:
    await signed.send()
    signed.mail.token = "token-2"  # the first was revoked
    await signed.send()
    assert len(signed.mail.received) == 2
    signed.mail.token = "none that is given"
    failure = await signed.failure()
    assert (failure.kind, failure.status) == (M, 535)
    assert signed.endpoint.given == 3


async def test_the_challenge_of_a_refused_token_is_answered_and_told() -> None:
    """XOAUTH2: 334 with the reason, an empty line, then 535; a public server's words are shown."""
    async with signing() as signed:
        signed.mail.token = "another"
        signed.out.lists = lambda *_: False  # type: ignore[method-assign]
        failure = await signed.failure()
    assert (failure.kind, failure.status) == (M, 535)
    assert '"status":"401"' in failure.response
    assert "token-1" not in repr(failure)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (
            Reply(
                401,
                '{"error":"invalid_client","error_description":"AADSTS7000222: The provided'
                ' client secret keys are expired. Trace ID: 1"}',
            ),
            M,
            ["invalid_client", "AADSTS7000222", "make another"],
        ),
        (
            Reply(400, '{"error":"invalid_grant","error_description":"Token has been revoked."}'),
            M,
            ["invalid_grant", "sign in again"],
        ),
        (Reply(400, '{"error":"invalid_scope"}'), M, ["invalid_scope"]),
        (Reply(403, '{"error":{"code":"x"}}'), M, ["403"]),
        (Reply(404, "<html>no such tenant</html>"), M, ["404", "tokenUrl"]),
        (Reply(302, "", {"Location": "https://elsewhere.example"}), M, ["302"]),
        (Reply(200, "<html>sign in</html>"), M, ["tokenUrl"]),
        (Reply(200, '{"access_token":"a\\r\\nRSET"}'), M, ["tokenUrl"]),
        (Reply(200, '{"access_token":7}'), M, ["tokenUrl"]),
        (Reply(400, '{"error":"temporarily_unavailable"}'), T, ["temporarily_unavailable"]),
        (Reply(500, ""), T, ["500"]),
        (Reply(503, "[" * 60_000), T, ["503"]),
        (Reply(429, "", {"Retry-After": "9"}), FailureClass.THROTTLED, ["429"]),
        (Reply(reset=True), T, ["no access token"]),
    ],
)
async def test_a_refused_token_says_whose_turn_it_is(
    signed: Signed, reply: Reply, kind: FailureClass, words: list[str]
) -> None:
    signed.endpoint.told.append(reply)
    failure = await signed.failure()
    assert (failure.kind, failure.maybe_sent) == (kind, False)
    assert [word for word in words if word not in failure.detail] == []
    assert signed.mail.commands == []
    await signed.send()  # nothing of it was kept


async def test_a_refused_client_waits_for_a_change(signed: Signed) -> None:
    failure = await signed.failure(clientSecret="wrong")
    assert (failure.kind, failure.status) == (M, 401)
    assert "AADSTS7000215" in failure.detail
    assert "wrong" not in failure.detail.replace("is wrong", "")


async def test_the_test_proves_the_token_first(signed: Signed) -> None:
    checks = await signed.test()
    assert list(checks)[:2] == ["token", "connect"]
    assert all(check.ok for check in checks.values())
    checks = await signed.test(clientSecret="wrong")
    assert list(checks) == ["token"]
    assert checks["token"].kind is M


async def test_tokens_are_asked_for_through_the_guard(signed: Signed) -> None:
    async with egress(signed.mail.allowed) as signed.out:
        failure = await signed.failure()
    assert (failure.kind, signed.endpoint.received) == (FailureClass.BLOCKED, [])


async def test_no_secret_is_shown_recorded_or_logged(
    signed: Signed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    quoting = json.dumps({"error": "invalid_grant", "error_description": signed.config})
    signed.endpoint.told.append(Reply(400, quoting))
    told = repr(await signed.failure()) + repr(await signed.test(clientSecret="wrong-secret"))
    await signed.send()
    ours = [each for each in caplog.records if not each.name.startswith("mail")]  # not aiosmtpd's
    told += "".join(each.getMessage() for each in ours)
    assert signed.endpoint.client_secret not in told
    assert "wrong-secret" not in told
    going = Outgoing(MESSAGE, EmailConfig.model_validate(signed.config), EmailOptions())
    shown = json.dumps(signed.channel.request(going)) + repr(going.config)
    secrets = [signed.endpoint.client_secret, signed.endpoint.refresh_token, "token-1"]
    grant = Grant("https://a.example", "id", *secrets[:2])
    assert not [each for each in secrets if each in shown + repr(grant)]
    names = secret_names(EmailConfig)
    assert names == {"password", "accessToken", "clientSecret", "refreshToken"}


@pytest.mark.parametrize("name", ["tokenUrl", "host"])
def test_another_place_for_secrets_asks_for_them_again(name: str) -> None:
    before = {
        "host": "mail.example.com",
        "username": "a@x.example",
        "fromAddress": SENDER,
        "tokenUrl": "https://login.example.com/token",
        "clientId": "id",
        "clientSecret": "secret",
        "scope": SCOPE,
    }
    patch = {name: "https://evil.example/token" if name == "tokenUrl" else "evil.example"}
    with pytest.raises(ApiError) as refused:
        check_resent(CHANNELS["email"], before, before | patch, patch)
    assert refused.value.code == "secret_required"


GOOD = {
    "host": "mail.example.com",
    "username": "a@x.example",
    "fromAddress": SENDER,
    "tokenUrl": "https://login.example.com/token",
    "clientId": "id",
    "clientSecret": "secret",
    "scope": SCOPE,
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"scope": None}, "scope"),
        ({"clientId": None}, "clientId"),
        ({"clientSecret": None}, "clientSecret"),
        ({"tokenUrl": None, "password": "p"}, "clientId"),
        ({"password": "p"}, "can be the login"),
        ({"accessToken": "t"}, "can be the login"),
        ({"username": None}, "a login is"),
        ({"auth": "plain"}, "needs a password"),
        ({"tokenUrl": "https://a.example/token?x=1"}, "tokenUrl"),
        ({"clientId": "a\nb"}, "clientId"),
    ],
)
def test_half_a_grant_is_refused(change: dict[str, Any], named: str) -> None:
    EmailConfig.model_validate(GOOD)
    with pytest.raises(ValidationError, match=named):
        EmailConfig.model_validate({**GOOD, **change})
