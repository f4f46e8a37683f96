"""Recipients of mail: one mail per address, and an odd address harms no other."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.integration.outcome import FailureClass
from domain.notification.event import Event
from egress.policy import Policy
from integrations import CHANNELS
from integrations.channel import SAVING, Outgoing
from integrations.email.config import EmailConfig, EmailOptions
from receivers.smtp import SmtpReceiver
from tests.integrations.email.mailing import MESSAGE, SENDER, posting

P, M, T = FailureClass.PERMANENT, FailureClass.MISCONFIGURED, FailureClass.TRANSIENT
EMAIL = CHANNELS["email"]


def outgoing(
    to: list[str] | None = None, user: str | None = None, options: dict[str, Any] | None = None
) -> Outgoing[EmailConfig]:
    """An integration with recipients, an event for a user, a channel with options."""
    config = {"host": "mail.example.com", "fromAddress": SENDER, "to": to or []}
    chosen = EmailOptions.model_validate(options or {})
    return Outgoing(replace(MESSAGE, recipient=user), EmailConfig.model_validate(config), chosen)


@pytest.mark.parametrize(
    ("to", "user", "options", "expected"),
    [
        (["a@x.example"], None, {}, ["a@x.example"]),
        (["a@x.example"], "u@x.example", {}, ["a@x.example", "u@x.example"]),
        (["a@x.example"], "u@x.example", {"to": ["t@x.example"]}, ["t@x.example", "u@x.example"]),
        (["a@x.example"], "u@x.example", {"to": "t@x.example"}, ["t@x.example", "u@x.example"]),
        (["a@x.example"], "u@x.example", {"user": False}, ["a@x.example"]),
        (["a@x.example"], "u@x.example", {"to": []}, ["u@x.example"]),
        (["a@x.example"], "A@X.example", {}, ["a@x.example"]),
        (["a@x.example"], "u@bücher.example.", {"to": []}, ["u@xn--bcher-kva.example"]),
        ([], "u@x.example", {"user": False}, []),
        ([], None, {}, []),
        (["a@x.example"], "no address", {}, ["a@x.example", "no address"]),
    ],
)
def test_everybody_named_is_told_and_the_user_too(
    to: list[str], user: str | None, options: dict[str, Any], expected: list[str]
) -> None:
    assert list(EMAIL.recipients(outgoing(to, user, options))) == expected


def test_two_channels_of_one_integration_differ_in_their_own_recipients_alone() -> None:
    """Routing can thus see that the user is the same one."""
    first, second = (
        outgoing(["rest@x.example"], "kim@x.example", {"to": [team]})
        for team in ("night@x.example", "day@x.example")
    )
    told = [set(EMAIL.recipients(each)) for each in (first, second)]
    assert told[0] & told[1] == {"kim@x.example"}
    assert told[0] ^ told[1] == {"night@x.example", "day@x.example"}
    assert EMAIL.destination(first) == EMAIL.destination(second)


async def test_each_recipient_has_a_mail_that_names_nobody_else() -> None:
    async with posting(SmtpReceiver()) as post:
        for one in ("night@x.example", "kim@x.example"):
            await post.send(options={"to": ["night@x.example", "day@x.example"]}, recipient=one)
        first, second = post.receiver.received
    assert (first.recipients, second.recipients) == (("night@x.example",), ("kim@x.example",))
    assert (first.message["To"], second.message["To"]) == ("night@x.example", "kim@x.example")
    assert b"day@x.example" not in first.content + second.content


@pytest.mark.parametrize(("code", "kind"), [(550, P), (450, T), (421, T), (530, M)])
async def test_a_refused_recipient_is_the_business_of_one_delivery(
    code: int, kind: FailureClass
) -> None:
    async with posting(SmtpReceiver()) as post:
        post.receiver.replies["RCPT gone@x.example"] = f"{code} 5.1.1 no"
        await post.send(recipient="here@x.example")
        failure = await post.failure(recipient="gone@x.example")
    assert (failure.kind, failure.maybe_sent) == (kind, False)


async def test_an_address_that_is_none_fails_alone_and_says_what_to_do() -> None:
    async with posting(SmtpReceiver()) as post:
        message = replace(MESSAGE, recipient="jo at acme")
        bad, good = "jo at acme", "ops@example.com"
        assert set(EMAIL.recipients(outgoing([good], message.recipient))) == {bad, good}
        failure = await post.failure(message, recipient=bad)
        assert post.receiver.commands == []
        await post.send(message, recipient=good)
    assert failure.kind is P
    assert "'jo at acme'" in failure.detail
    assert "user.email" in failure.detail


@pytest.mark.parametrize("options", [{}, {"to": []}, {"user": False}])
async def test_nobody_to_send_to_is_said(options: dict[str, Any]) -> None:
    """Routing sees it by a missing recipient; a delivery of an earlier version fails with it."""
    assert EMAIL.recipients(outgoing([], None, options)) == ()
    async with posting(SmtpReceiver()) as post:
        failure = await post.failure(to=[])
    assert failure.kind is M
    assert "`to`" in failure.detail


async def test_once_somebody_is_named_a_delivery_to_nobody_goes_out() -> None:
    async with posting(SmtpReceiver()) as post:
        await post.send(to=["new@x.example"], recipient="")
        assert post.mail.recipients == ("new@x.example",)


async def test_of_several_those_who_are_taken_get_it_and_the_others_are_named() -> None:
    """Deliveries of earlier versions have several recipients."""
    async with posting(SmtpReceiver()) as post:
        post.receiver.replies["RCPT gone@x.example"] = "550 5.1.1 no such user"
        receipt = await post.send(to=["gone@x.example", "here@x.example"])
        assert post.mail.recipients == ("here@x.example",)
        assert post.mail.message["To"] == "here@x.example"
        assert "550 to RCPT TO gone@x.example" in receipt.response
        post.receiver.replies["RCPT slow@x.example"] = "450 4.2.1 greylisted"
        failure = await post.failure(to=["gone@x.example", "slow@x.example"])
    assert failure.kind is T


# Addresses in configs and events


DOTTED = ["a@x.example.", "a@x.example。", "a@bücher.example."]


@pytest.mark.parametrize("address", DOTTED)
def test_an_address_that_ends_with_a_dot_is_refused_when_saved_and_means_the_one_without(
    address: str,
) -> None:
    given = {"host": "mail.example.com", "fromAddress": SENDER}
    for change in ({"to": [address]}, {"fromAddress": address}, {"replyTo": address}):
        with pytest.raises(ValidationError, match="dot"):
            EmailConfig.model_validate(given | change, context=SAVING)
    with pytest.raises(ValidationError, match="dot"):
        EmailOptions.model_validate({"to": [address]}, context=SAVING)
    old = EmailConfig.model_validate(given | {"to": [address]})
    assert not old.to[0].endswith(".")


@pytest.mark.parametrize("options", [{"to": ["no address"]}, {"user": "maybe"}, {"cc": []}])
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EmailOptions.model_validate(options)


def test_the_api_saves_no_address_with_a_dot() -> None:
    from api.errors import ApiError
    from api.integration.config import validate

    given = {"host": "mail.example.com", "fromAddress": SENDER, "to": ["a@x.example", DOTTED[0]]}
    with pytest.raises(ApiError) as refused:
        validate(EMAIL, given, Policy.parse(""))
    [error] = refused.value.more["errors"]
    assert error["pointer"] == "/config/to/1"
    assert "dot" in error["detail"]


@given(st.text(max_size=2_000))
@settings(deadline=None)
def test_recipients_are_found_in_any_text(user: str) -> None:
    found = EMAIL.recipients(outgoing(["a@x.example"], user))
    assert len({each.casefold() for each in found}) == len(found)
    assert all(len(each) <= 320 for each in found)


@pytest.mark.parametrize("email", ["jo at acme", "jo@acme..example", "x" * 2_000])
def test_an_event_is_taken_whatever_its_users_address_is(email: str) -> None:
    """Other recipients and channels must still get the event."""
    event = {"eventType": "a.b", "title": "x", "user": {"id": "u-1", "email": email}}
    assert Event.model_validate(event).user
    assert EMAIL.recipients(outgoing(["a@x.example"], email))[0] == "a@x.example"


# Letters beyond ASCII before the @


async def test_a_reply_to_decides_on_utf8_too() -> None:
    async with posting(SmtpReceiver(utf8=True)) as post:
        await post.send(replyTo="søren@x.example")
        assert "Reply-To: søren@x.example\r\n".encode() in post.mail.content


@pytest.mark.parametrize("address", ["søren@x.example", "日本@x.example", "o\u0308@x.example"])
async def test_without_utf8_a_reply_to_is_left_out_and_never_encoded(address: str) -> None:
    async with posting(SmtpReceiver()) as post:
        receipt = await post.send(replyTo=address)
        assert "Reply-To" not in post.mail.message
        assert b"=?" not in post.mail.content.partition(b"\r\n\r\n")[0]
        assert "was left out" in receipt.response
        checks = await post.test(replyTo=address)
    assert checks["Reply-To"].ok
    assert "was left out" in checks["Reply-To"].detail


async def test_letters_in_the_domain_need_nothing() -> None:
    async with posting(SmtpReceiver()) as post:
        await post.send(replyTo="jo@bücher.example")
        assert post.mail.message["Reply-To"] == "jo@xn--bcher-kva.example"


# The greeting


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({}, "firelater.example"),
        ({"fromAddress": "a@bücher.example"}, "xn--bcher-kva.example"),
        ({"heloName": "relay.acme.example"}, "relay.acme.example"),
        ({"heloName": "[192.0.2.7]"}, "[192.0.2.7]"),
    ],
)
async def test_the_greeting_is_a_name_of_the_tenants(config: dict[str, Any], name: str) -> None:
    async with posting(SmtpReceiver()) as post:
        await post.send(**config)
        assert f"EHLO {name}" in post.receiver.commands


@pytest.mark.parametrize("step", ["EHLO", "HELO", "MAIL"])
async def test_who_is_refused_by_name_waits_for_a_change(step: str) -> None:
    async with posting(SmtpReceiver("none", login=False)) as post:
        if step == "HELO":
            post.receiver.replies["EHLO"] = "502 5.5.1 never heard of it"
        post.receiver.replies[step] = "550 5.7.1 not with that name"
        failure = await post.failure(username=None, password=None)
    assert (failure.kind, failure.status) == (M, 550)
    assert ("heloName" in failure.detail) == (step != "MAIL")


async def test_a_server_that_wants_a_name_gets_one() -> None:
    async with posting(SmtpReceiver()) as post:
        post.receiver.wants_names = True
        await post.send()
        failure = await post.failure(heloName="[127.0.0.1]")
    assert (failure.kind, "heloName" in failure.detail) == (M, True)


async def test_a_server_without_esmtp_is_spoken_to_all_the_same() -> None:
    async with posting(SmtpReceiver("none", login=False)) as post:
        post.receiver.replies["EHLO"] = "500 5.5.1 what?"
        await post.send(username=None, password=None)
        assert "HELO firelater.example" in post.receiver.commands
        assert len(post.receiver.received) == 1


@pytest.mark.parametrize("name", ["a b", "a\r\nRSET", "", "[1.2.3.4", "a..b", "x" * 64])
def test_a_greeting_that_is_none_is_refused(name: str) -> None:
    config = {"host": "mail.example.com", "fromAddress": SENDER, "heloName": name}
    with pytest.raises(ValidationError):
        EmailConfig.model_validate(config)
