"""Every registered channel behaves as docs/delivery.md says and never shows a secret."""

import copy
import json
import logging
import traceback
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from domain.integration.outcome import DeliveryFailed, Failure, Receipt
from domain.integration.retry_schedule import PROMPT
from domain.notification import backoff
from domain.notification.backoff import most_attempts
from domain.notification.message import Message
from egress.client import egress
from integrations import CHANNELS
from integrations.email.channel import MAIL
from integrations.email.smtp_waits import Waits
from integrations.webhook.channel import PERSISTENT
from receivers import smtp
from receivers.receiver import Reply, serving
from tests.conformance import expected
from tests.conformance.attempts import (
    CASES,
    KNOWN,
    OVER_HTTP,
    attempt,
    channel_of,
    connected,
    outcome,
)
from tests.integrations.examples import MESSAGES, kind_of, message, outgoing, secrets_of
from tests.receivers.oauth import TokenEndpoint

ELSEWHERE = "https://receiver.example.com:8443"
ROWS = [
    row
    for row in [*expected.answers("Success"), *expected.answers("Errors in bodies")]
    if row.channel in OVER_HTTP and row.body is not None
]
SCHEDULES = {"prompt": PROMPT, "mail": MAIL, "persistent": PERSISTENT}
ROWS_OF_WAITS = {
    "refused": backoff.REFUSED,
    "throttled": backoff.THROTTLED,
    "doubtful": backoff.DOUBTFUL,
    "lost": backoff.LOST,
}
over_http = pytest.mark.parametrize("stem", OVER_HTTP)
everywhere = pytest.mark.parametrize("stem", KNOWN)


def test_every_channel_has_its_example_and_its_row() -> None:
    assert {kind_of(stem) for stem in KNOWN} == CHANNELS.keys()
    assert CHANNELS.keys() <= {row[0].strip("`") for row in expected.rows("Channels")}


def test_the_page_names_the_schedules_as_they_are() -> None:
    published = {row[0]: (_waits(row[1]), float(row[2])) for row in expected.rows("Schedules")}
    assert published == {
        f"`{name}`": (each.delays, each.lasts / 3_600) for name, each in SCHEDULES.items()
    }


def test_the_page_names_the_other_waits_as_they_are() -> None:
    published = {name: _waits(waits) for name, waits in expected.rows("Rows of waits")}
    assert published == {f"`{name}`": each.delays for name, each in ROWS_OF_WAITS.items()}


def test_the_page_names_the_bounds_of_attempts_as_they_are() -> None:
    published = {name: int(most) for name, most in expected.rows("Most attempts")}
    assert published == {f"`{name}`": most_attempts(each) for name, each in SCHEDULES.items()}


def _waits(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(", ")))


@pytest.mark.parametrize("kind", CHANNELS)
def test_the_page_names_the_limits_as_they_are(kind: str) -> None:
    limits = CHANNELS[kind].limits
    [row] = [row for row in expected.rows("Channels") if row[0] == f"`{kind}`"]
    rate = f"{limits.rate.count} in {limits.rate.seconds:g} s" if limits.rate else "none"
    [schedule] = [name for name, each in SCHEDULES.items() if each == limits.schedule]
    assert row[1:3] == [f"`{schedule}`", rate]
    assert row[3].startswith("is seen twice") is not limits.idempotent


@over_http
async def test_every_status_has_the_class_of_the_table(stem: str) -> None:
    wrong = []
    async with connected(stem) as channel:
        for status in range(200, 600):
            for body in ("", "<html>A page</html>"):
                if body and status in (204, 304):
                    continue
                found = outcome(await channel.answered(status, body))
                if found != expected.outcome(stem, status, body):
                    wrong.append((status, body, found))
    assert wrong == []


@over_http
@pytest.mark.parametrize("status", [200, 202, 400])
async def test_a_body_that_is_nested_without_end_says_nothing(stem: str, status: int) -> None:
    async with connected(stem) as channel:
        found = outcome(await channel.answered(status, "[" * 60_000))
    assert found == expected.outcome(stem, status, "[")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.channel}-{row.body[:60]}")
async def test_every_answer_of_the_vendor_has_the_class_of_the_table(
    row: expected.Answer,
) -> None:
    async with connected(row.channel) as channel:
        for status in row.statuses:
            assert outcome(await channel.answered(status, row.body or "")) == row.outcome


BEFORE, ABOUT = "Answers over SMTP before a recipient is named", "Answers over SMTP about a mail"


@pytest.mark.parametrize(
    ("heading", "step"),
    [(BEFORE, step) for step in ("CONNECT", "EHLO", "HELO", "AUTH", "MAIL")]
    + [(ABOUT, step) for step in ("RCPT", "DATA", ".")],
)
async def test_every_reply_of_smtp_has_the_class_of_the_table(heading: str, step: str) -> None:
    wrong = []
    mail = smtp.SmtpReceiver("none")
    if step == "HELO":
        mail.replies["EHLO"] = "502 5.5.1 unknown"
    async with smtp.serving(mail), egress(mail.allowed) as out:
        for code, wanted in expected.by_number(heading).items():
            mail.replies[step] = f"{code} 0.0.0 no"
            if step == "EHLO" and code in (500, 502):  # asks for HELO
                continue
            found = outcome(await attempt("email", outgoing("email", mail.url), out))
            if found != wanted:
                wrong.append((code, found))
    assert wrong == []


@pytest.mark.parametrize("step", ["RCPT", "DATA", "."])
@pytest.mark.parametrize("row", expected.rows("Words over SMTP"), ids=" ".join)
async def test_every_word_of_smtp_has_the_class_of_the_table(row: list[str], step: str) -> None:
    said, wanted = row
    mail = smtp.SmtpReceiver("none")
    mail.replies[step] = said.strip("`")
    async with smtp.serving(mail), egress(mail.allowed) as out:
        found = await attempt("email", outgoing("email", mail.url), out)
    assert outcome(found) == wanted
    assert isinstance(found, Failure)
    assert ("fromAddress" in found.detail) == (wanted == "misconfigured")
    assert not found.maybe_sent


def test_the_page_names_the_waits_of_a_mail_as_they_are() -> None:
    published = {name.strip("`"): float(wait) for name, wait in expected.rows("Time for a mail")}
    assert published == asdict(Waits())


@pytest.mark.parametrize("row", expected.rows("Access tokens"), ids=" ".join)
async def test_every_answer_to_a_grant_has_the_class_of_the_table(row: list[str]) -> None:
    statuses, body, wanted = row
    endpoint = TokenEndpoint()
    config: dict[str, Any] = {"clientId": "id", "clientSecret": "s", "scope": "x"}
    async with serving(endpoint), egress(f"{endpoint.allowed},127.0.0.1/32:1") as out:
        config["tokenUrl"] = f"{endpoint.url}/token"
        going = outgoing("email", "http://127.0.0.1:1", password=None, **config)
        for status in expected.numbers(statuses):
            said = "" if body == "any" else body.strip("`")
            endpoint.told.append(Reply(status, said))
            found = await attempt("email", going, out)
            assert (status, outcome(found)) == (status, wanted)
            assert isinstance(found, Failure)
            assert not found.maybe_sent


@everywhere
@pytest.mark.parametrize("case", CASES)
async def test_no_answer_has_the_class_of_the_table(stem: str, case: str) -> None:
    [(wanted, sent)] = [
        (row[1], row[2]) for row in expected.rows("No answer") if row[0] == f"`{case}`"
    ]
    async with CASES[case](stem) as (going, out):
        found = await attempt(stem, going, out)
    assert isinstance(found, Failure)
    assert (str(found.kind), found.maybe_sent) == (wanted, sent == "yes")
    assert found.detail


def test_every_case_without_an_answer_is_published() -> None:
    assert CASES.keys() == {row[0].strip("`") for row in expected.rows("No answer")}


@over_http
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_understood(stem: str, status: int) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    async with connected(stem) as channel:
        waits = [
            await channel.answered(status, Retry_After=said) for said in ("17", at, "soon", "-1")
        ]
    seconds, date, *nonsense = [each.retry_after for each in waits if isinstance(each, Failure)]
    assert seconds == 17
    assert date is not None
    assert 80 < date <= 90
    assert nonsense == [None, None]


@everywhere
@given(said=MESSAGES)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_requests_are_pure_and_hold_no_secret(stem: str, said: Message) -> None:
    channel = CHANNELS[kind_of(stem)]
    before = copy.deepcopy(said)
    going = outgoing(stem, ELSEWHERE, said)
    request = channel.request(going)
    assert said == before
    assert json.loads(json.dumps(request, allow_nan=False)) == request == channel.request(going)
    shown = json.dumps(request, ensure_ascii=False)
    assert not [secret for secret in secrets_of(stem, ELSEWHERE) if secret in shown]


@everywhere
@given(said=MESSAGES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_destinations_are_short_and_no_secret(stem: str, said: Message) -> None:
    found = CHANNELS[kind_of(stem)].destination(outgoing(stem, ELSEWHERE, said))
    assert len(found) <= 200
    assert not [secret for secret in secrets_of(stem, ELSEWHERE) if secret in found]


@over_http
async def test_the_same_delivery_sends_the_same_key(stem: str) -> None:
    first, other = (message(delivery_id=id, alert_key=f"alert_{id}") for id in ("d-1", "d-2"))
    async with connected(stem) as channel:
        for said in (first, first, other):
            assert isinstance(await channel.send(said), Receipt)
        # Other requests only ask what became of the deliveries.
        once, again, another = (each for each in channel.receiver.received if each.body)
    assert once.body == again.body
    if CHANNELS[kind_of(stem)].limits.idempotent:
        keys = [_key(received.headers, received.body) for received in (once, again, another)]
        assert keys == ["d-1", "d-1", "d-2"]


def _key(headers: Any, body: bytes) -> str:
    shown = f"{sorted(headers.items())} {body.decode()}"
    [key] = [each for each in ("d-1", "d-2") if each in shown]
    return key


@everywhere
@pytest.mark.parametrize("case", CASES)
async def test_no_answer_shows_no_secret(
    stem: str, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with CASES[case](stem) as (going, out):
        shown = await everything_shown(stem, going, out)
    assert given_away(stem, shown + caplog.text) == []


@over_http
@pytest.mark.parametrize("status", [200, 202, 302, 400, 401, 404, 410, 429, 500])
async def test_a_vendor_that_quotes_secrets_does_not_make_us_show_them(
    stem: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = " ".join(secrets_of(stem, ELSEWHERE))
    quoted = {"status": secrets, "message": secrets, "errors": [secrets], "ok": False}
    async with connected(stem) as channel:
        for error in (secrets, {"code": secrets, "message": secrets}):
            body = json.dumps(quoted | {"error": error})
            channel.receiver.told.append(Reply(status, body, {"Location": f"/{secrets}"}))
            going = outgoing(stem, channel.receiver.url)
            shown = await everything_shown(stem, going, channel.out)
            assert given_away(stem, shown + caplog.text) == []


@everywhere
async def test_success_shows_no_secret(stem: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    if stem in OVER_HTTP:
        async with connected(stem) as channel:
            going = outgoing(stem, channel.receiver.url)
            shown = await everything_shown(stem, going, channel.out)
    else:
        mail = smtp.SmtpReceiver("none")
        async with smtp.serving(mail), egress(mail.allowed) as out:
            shown = await everything_shown(stem, outgoing(stem, mail.url), out)
    assert given_away(stem, shown + caplog.text) == []


async def everything_shown(stem: str, going: Any, out: Any) -> str:
    """Everything that a delivery and a test leave behind, as text."""
    channel = channel_of(stem)
    request = channel.request(going)
    try:
        said = repr(await channel.deliver(going, request, out))
    except DeliveryFailed as failed:
        said = f"{failed} {failed.failure!r} {''.join(traceback.format_exception(failed))}"
    checks = await channel.test(going.config, out)
    return f"{request} {said} {checks} {going!r} {going.config.model_dump_json()}"


def given_away(stem: str, shown: str) -> list[str]:
    """The example's secrets that occur in the text."""
    return [secret for secret in secrets_of(stem, ELSEWHERE) if secret in shown]


@everywhere
async def test_a_test_of_nobody_there_says_so(stem: str) -> None:
    async with CASES["refused"](stem) as (going, out):
        checks = await CHANNELS[kind_of(stem)].test(going.config, out)
    assert not all(check.ok for check in checks)
    assert all(check.name and check.detail for check in checks)
