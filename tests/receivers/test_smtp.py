"""The mail server that tests use, as Python's own client finds it."""

import asyncio
import base64
import smtplib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pytest

from receivers.smtp import GTUBE, SmtpReceiver, serving, trusting

Found = TypeVar("Found")

MAIL = "Subject: Hello\r\nFrom: a@firelater.example\r\n\r\nA line.\r\n"
FROM, TO = "a@firelater.example", "b@example.com"


@pytest.fixture
async def receiver() -> AsyncIterator[SmtpReceiver]:
    async with serving(SmtpReceiver(size=2_000)) as served:
        yield served


async def talk(receiver: SmtpReceiver, words: Callable[[smtplib.SMTP], Found]) -> Found:
    """In a thread, encrypted, not logged in."""

    def run() -> Found:
        with smtplib.SMTP("127.0.0.1", receiver.port, timeout=10) as client:
            client.starttls(context=trusting(receiver))
            return words(client)

    return await asyncio.to_thread(run)


def logged_in(receiver: SmtpReceiver, client: smtplib.SMTP) -> smtplib.SMTP:
    client.login(receiver.username, receiver.password)
    return client


async def test_mail_of_a_known_user_is_taken(receiver: SmtpReceiver) -> None:
    await talk(receiver, lambda client: logged_in(receiver, client).sendmail(FROM, TO, MAIL))
    [mail] = receiver.received
    assert (mail.sender, mail.recipients, mail.login) == (FROM, (TO,), receiver.username)
    assert (mail.message["Subject"], mail.status) == ("Hello", 250)
    assert mail.tls is not None


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_a_wrong_password_is_535(receiver: SmtpReceiver, mechanism: str) -> None:
    receiver.mechanisms = {mechanism}
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        await talk(receiver, lambda client: client.login(receiver.username, "wrong"))
    assert refused.value.smtp_code == 535


async def test_a_refused_token_is_a_challenge_and_then_535(receiver: SmtpReceiver) -> None:
    token = base64.b64encode(b"user=firelater\x01auth=Bearer wrong\x01\x01").decode()

    def words(client: smtplib.SMTP) -> list[tuple[int, bytes]]:
        client.ehlo()
        return [client.docmd("AUTH", f"XOAUTH2 {token}"), client.docmd("")]

    (code, challenge), (final, _) = await talk(receiver, words)
    assert (code, final) == (334, 535)
    assert b'"status":"401"' in base64.b64decode(challenge)


async def test_nothing_goes_before_encryption_and_login(receiver: SmtpReceiver) -> None:
    def plain() -> tuple[int, bytes]:
        with smtplib.SMTP("127.0.0.1", receiver.port, timeout=10) as client:
            client.ehlo()
            return client.mail(FROM)

    assert (await asyncio.to_thread(plain))[0] == 530

    def unknown(client: smtplib.SMTP) -> tuple[int, bytes]:
        client.ehlo()
        return client.mail(FROM)

    assert (await talk(receiver, unknown))[0] == 530


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (MAIL + "x\r\n" * 2_000, 552),
        (MAIL + "x" * 999, 500),
        (MAIL + GTUBE, 554),
        (MAIL + "..\r\n", 250),
    ],
)
async def test_content_may_be_refused(receiver: SmtpReceiver, content: str, code: int) -> None:
    def words(client: smtplib.SMTP) -> int:
        logged_in(receiver, client)
        client.mail(FROM)
        client.rcpt(TO)
        return client.data(content)[0]

    assert await talk(receiver, words) == code


async def test_replies_can_be_told_for_one_recipient(receiver: SmtpReceiver) -> None:
    receiver.replies[f"RCPT {TO}"] = "450 4.2.1 greylisted"
    others = await talk(
        receiver,
        lambda client: logged_in(receiver, client).sendmail(FROM, [TO, "c@d.example"], MAIL),
    )
    assert others == {TO: (450, b"4.2.1 greylisted")}
    assert receiver.received[0].recipients == ("c@d.example",)
