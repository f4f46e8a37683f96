"""E-mail against a real mail server on loopback: the mails, and the meaning of answers."""

import base64
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.integration.outcome import DeliveryFailed, FailureClass
from domain.notification.event import Severity
from egress.client import egress
from integrations.channel import Outgoing
from integrations.email.address import mailbox
from integrations.email.channel import Email
from integrations.email.config import EmailConfig, EmailOptions
from integrations.email.message import HTML_BYTES, envelope, mime
from integrations.email.smtp_reply import words
from receivers.smtp import GTUBE, Mail, SmtpReceiver
from tests.integrations.email.mailing import MESSAGE, SENDER, Post, posting


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with posting(SmtpReceiver()) as ready:
        yield ready


def parts(mail: Mail) -> tuple[str, str]:
    text, html = (part.get_content().replace("\r\n", "\n") for part in mail.message.iter_parts())
    return text, html


# The content of mails


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
async def test_a_mail_arrives_whole(security: Literal["starttls", "tls", "none"]) -> None:
    async with posting(SmtpReceiver(security)) as post:
        receipt = await post.send()
    mail, headers = post.mail, post.mail.message
    assert (mail.sender, mail.recipients, mail.login) == (SENDER, ("ops@example.com",), "firelater")
    assert (mail.tls is None) == (security == "none")
    assert headers.get_content_type() == "multipart/alternative"
    assert headers["Subject"] == "incident INC1: Disk full on db-1"
    assert (headers["From"], headers["To"]) == (f"FireLater <{SENDER}>", "ops@example.com")
    assert headers["Date"].datetime == MESSAGE.created_at
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Auto-Response-Suppress"] == "All"
    text, html = parts(mail)
    assert "98 % of /var\nGrowing." in text
    assert "host: db-1\n<b>: a & b" in text
    assert "98 % of /var<br>\nGrowing." in html
    assert 'href="https://firelater.example/incidents/INC1?a=1&amp;b=2"' in html
    assert "&lt;b&gt;" in html
    assert (receipt.confirmed, receipt.code) == (False, 250)
    assert receipt.reference == {"message_id": headers["Message-ID"]}


async def test_one_delivery_has_one_id_and_one_alert_one_thread(post: Post) -> None:
    later = replace(MESSAGE, delivery_id="another", event_type="incident.resolved")
    for message in (MESSAGE, MESSAGE, later, replace(later, alert_key="incident_INC2")):
        await post.send(message)
    ids = [mail.message["Message-ID"] for mail in post.receiver.received]
    threads = [mail.message["References"] for mail in post.receiver.received]
    assert ids[0] == ids[1] == f"<{MESSAGE.delivery_id}@firelater.example>"
    assert ids[2] != ids[1]
    assert threads[0] == threads[1] == threads[2] != threads[3]
    assert threads == [mail.message["In-Reply-To"] for mail in post.receiver.received]


async def test_a_critical_event_says_so(post: Post) -> None:
    await post.send(replace(MESSAGE, severity=Severity.CRITICAL))
    assert post.mail.message["Subject"] == "[CRITICAL] incident INC1: Disk full on db-1"
    assert post.mail.message["Importance"] == "high"


async def test_a_domain_goes_out_in_ascii(post: Post) -> None:
    await post.send(to=["jo@bücher.example"])
    assert post.mail.recipients == ("jo@xn--bcher-kva.example",)


async def test_letters_before_the_at_need_a_server_that_takes_them(post: Post) -> None:
    alone = await post.failure(to=["jörg@example.com"])
    assert (alone.kind, "SMTPUTF8" in alone.detail) == (FailureClass.PERMANENT, True)
    sender = await post.failure(fromAddress="jörg@example.com")
    assert sender.kind is FailureClass.MISCONFIGURED
    async with posting(SmtpReceiver(utf8=True)) as able:
        await able.send(to=["jörg@example.com"])
    assert able.mail.recipients == ("jörg@example.com",)
    assert "To: jörg@example.com".encode() in able.mail.content


# Hostile text


hostile = st.text(max_size=300) | st.sampled_from(
    [
        "a\r\nBcc: x@evil.example",
        "=?utf-8?q?a=0D=0ABcc:_x@evil.example?=",
        "\u202etxt.exe",
        "\ud800",
        ".",
    ]
)
CONFIG = EmailConfig.model_validate(
    {"host": "mail.example.com", "fromAddress": SENDER, "to": ["ops@example.com"]}
)


@given(title=hostile, body=hostile, name=hostile, key=hostile, event=hostile)
def test_no_text_can_add_a_header_or_break_a_line(
    title: str, body: str, name: str, key: str, event: str
) -> None:
    message = replace(
        MESSAGE,
        title=title,
        body=body,
        facts=((name, body),),
        alert_key=key.encode(errors="replace").decode(),
        event_type=event,
    )
    content = mime(envelope(message, CONFIG, CONFIG.to), [*CONFIG.to])
    mail = Mail(0, "", (), content, "250", None, None).message
    expected = mime(envelope(MESSAGE, CONFIG, CONFIG.to), [*CONFIG.to])
    assert mail.keys() == Mail(0, "", (), expected, "250", None, None).message.keys()
    assert not re.search(r"[\x00-\x1f\u202a-\u202e]", mail["Subject"])
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    assert not [part.defects for part in mail.walk() if part.defects]
    [_, html] = mail.iter_parts()
    assert not re.search("<script|<img", html.get_content(), re.IGNORECASE)


@given(name=st.text(min_size=1, max_size=100).filter(str.isprintable))
def test_the_senders_name_stays_a_name(name: str) -> None:
    config = CONFIG.model_copy(update={"from_name": name})
    content = mime(envelope(MESSAGE, config, CONFIG.to), [*CONFIG.to])
    [sender] = Mail(0, "", (), content, "250", None, None).message["From"].addresses
    assert sender.addr_spec == SENDER


async def test_html_is_inert_and_links_lead_to_the_web_only(post: Post) -> None:
    script = "<script>alert('1')</script>\n.\nQUIT"
    hostile = replace(
        MESSAGE, title=script, body=script, facts=((script, script),), url="javascript:x"
    )
    await post.send(hostile)
    text, html = parts(post.mail)
    assert "<script" not in html
    assert "href" not in html
    assert script in text  # the lone dot did not end the mail


@pytest.mark.parametrize("body", ["<" * 100_000, "𝄞" * 50_000, "a\n" * 50_000, '"' * 99_999])
def test_html_stays_below_what_gmail_clips_and_text_is_whole(body: str) -> None:
    facts = tuple((f"name {n}", '"' * 800) for n in range(20))
    mail = envelope(replace(MESSAGE, body=body, facts=facts, title='"' * 1_000), CONFIG, CONFIG.to)
    assert 0.9 * HTML_BYTES < len(mail["html"].encode()) <= HTML_BYTES
    assert mail["html"].endswith("</html>\n")
    assert body.strip() in mail["text"]


# The meaning of answers


T, P, M = FailureClass.TRANSIENT, FailureClass.PERMANENT, FailureClass.MISCONFIGURED
REPLIES = [
    *((step, code, T) for step in ("MAIL", "RCPT", "DATA", ".") for code in (450, 451, 452)),
    *((step, code, P) for step in ("RCPT", "DATA", ".") for code in (550, 552, 553, 554)),
    *(("MAIL", code, M) for code in (530, 550, 553, 554)),
    *((step, 421, T) for step in ("CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", ".")),
    *(("AUTH", code, M) for code in (504, 530, 534, 535, 538)),
    ("AUTH", 454, T),
    ("STARTTLS", 454, T),
    *((step, code, M) for step in ("CONNECT", "EHLO", "STARTTLS") for code in (501, 550, 554)),
]


@pytest.mark.parametrize(("step", "code", "expected"), REPLIES)
async def test_each_reply_has_its_class(
    post: Post, step: str, code: int, expected: FailureClass
) -> None:
    post.receiver.replies[step] = f"{code} 0.0.0 as told"
    failure = await post.failure()
    assert (failure.kind, failure.status, failure.maybe_sent) == (expected, code, False)


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."])
async def test_a_quota_that_is_used_up_passes(post: Post, step: str) -> None:
    post.receiver.replies[step] = "550-5.4.5 Daily user sending limit exceeded.\r\n550 5.4.5 More"
    failure = await post.failure()
    assert (failure.kind, failure.status) == (FailureClass.THROTTLED, 550)
    assert "fromAddress" not in failure.detail


@pytest.mark.parametrize("way", ["hang", "disconnect"])
@pytest.mark.parametrize(
    ("step", "maybe_sent"),
    [(step, False) for step in ("CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA")]
    + [(".", True)],
)
async def test_only_after_the_final_dot_it_may_be_out(
    way: str, step: str, maybe_sent: bool
) -> None:
    async with posting(SmtpReceiver(), wait=0.5) as post:
        post.receiver.replies[step] = way
        failure = await post.failure()
    assert (failure.kind, failure.maybe_sent) == (T, maybe_sent)
    assert ("in time" in failure.detail) == (way == "hang")


@pytest.mark.parametrize(("step", "maybe_sent"), [("CONNECT", False), ("DATA", False), (".", True)])
async def test_what_is_no_smtp_is_passing(post: Post, step: str, maybe_sent: bool) -> None:
    post.receiver.replies[step] = "HTTP/1.1 400 Bad Request"
    failure = await post.failure()
    assert (failure.kind, failure.status, failure.maybe_sent) == (T, None, maybe_sent)


async def test_any_yes_to_the_mail_is_one(post: Post) -> None:
    post.receiver.replies["."] = "252 taken"
    assert not (await post.send()).confirmed


async def test_nothing_listens() -> None:
    async with posting(SmtpReceiver()) as gone:
        pass
    gone.config["port"] = gone.receiver.port
    async with egress(gone.receiver.allowed) as gone.out:
        failure = await gone.failure()
    assert (failure.kind, failure.maybe_sent) == (T, False)


async def test_an_unknown_certificate_ends_it_before_the_login(post: Post) -> None:
    channel = Email()  # believes the system's authorities only
    integration = EmailConfig.model_validate(post.config)
    outgoing = Outgoing(MESSAGE, integration, EmailOptions())
    with pytest.raises(DeliveryFailed) as failed:
        await channel.deliver(outgoing, channel.request(outgoing), post.out)
    failure = failed.value.failure
    assert (failure.kind, failure.maybe_sent) == (T, False)
    assert "certificate" in failure.detail
    assert not [each for each in post.receiver.commands if each.startswith("AUTH")]


async def test_a_server_that_lost_its_starttls_is_told_nothing() -> None:
    async with posting(SmtpReceiver("none")) as post:
        failure = await post.failure(security="starttls")
        assert failure.kind is M
        said = [command.partition(" ")[0] for command in post.receiver.commands]
        assert said[:1] == ["EHLO"]
        assert set(said[1:]) <= {"QUIT"}


async def test_mail_in_the_clear_stays_within_the_allow_list() -> None:
    """A public server cannot be had here; that the guard decides is seen at the address alone."""
    async with posting(SmtpReceiver("none")) as post, egress("") as closed:
        post.out = closed
        assert (await post.failure()).kind is FailureClass.BLOCKED
    assert post.receiver.commands == []


async def test_what_the_server_takes_for_spam_is_not_sent_again(post: Post) -> None:
    failure = await post.failure(replace(MESSAGE, body=GTUBE))
    assert (failure.kind, failure.status, failure.maybe_sent) == (P, 554, False)


# Recipients


@pytest.mark.parametrize(
    "bad",
    [
        "a@b\r\nRCPT TO:<x@evil.example>",
        "<a@b.example>",
        "a b@c.example",
        "@b.example",
        "a@",
        "a@b..example",
        "x" * 65 + "@b.example",
    ],
)
async def test_what_is_no_address_is_never_sent_to(post: Post, bad: str) -> None:
    failure = await post.failure(replace(MESSAGE, recipient=bad))
    assert failure.kind is P
    assert post.receiver.commands == []
    with pytest.raises(ValidationError):
        EmailConfig.model_validate({**post.config, "to": [bad]})


@given(st.text(max_size=80))
def test_a_mailbox_is_always_safe_on_a_command_line(text: str) -> None:
    try:
        address = mailbox(text)
    except ValueError:
        return
    assert address.isprintable()
    assert not set(' <>"(),:;[]\\') & set(address)
    assert mailbox(address) == address


async def test_without_anyone_to_send_to_the_integration_is_at_fault(post: Post) -> None:
    assert (await post.failure(to=[])).kind is M


# Logins


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "XOAUTH2"])
async def test_each_login_is_spoken(post: Post, mechanism: str) -> None:
    post.receiver.mechanisms = {mechanism}
    token: dict[str, Any] = {"password": None, "accessToken": post.receiver.token}
    await post.send(**(token if mechanism == "XOAUTH2" else {}))
    assert f"AUTH {mechanism}" in post.receiver.commands
    assert post.mail.login == "firelater"


@pytest.mark.parametrize(
    "wrong",
    [{"password": "canary-of-a-password"}, {"password": None, "accessToken": "canary-of-a-token"}],
)
async def test_a_wrong_login_waits_for_a_change_and_shows_no_secret(
    post: Post, wrong: dict[str, Any]
) -> None:
    failure = await post.failure(**wrong)
    assert (failure.kind, failure.status) == (M, 535)
    assert "canary" not in repr(failure)


async def test_a_login_that_the_server_does_not_offer(post: Post) -> None:
    post.receiver.mechanisms = {"PLAIN"}
    failure = await post.failure(auth="login")
    assert (failure.kind, "LOGIN" in failure.detail) == (M, True)


@pytest.mark.parametrize(
    "change",
    [
        {"password": None},
        {"username": None},
        {"accessToken": "both"},
        {"auth": "xoauth2"},
        {"fromName": "a\r\nBcc: x@evil.example"},
        {"username": "a\nb"},
        {"host": "localhost"},
        {"host": "0x7f.1"},
        {"host": "a b"},
        {"port": 0},
        {"security": "ssl"},
        {"unknown": 1},
    ],
)
def test_a_config_that_cannot_work_is_refused(change: dict[str, Any]) -> None:
    config = {
        "host": "mail.example.com",
        "username": "user",
        "password": "secret",
        "fromAddress": SENDER,
    }
    EmailConfig.model_validate(config)
    with pytest.raises(ValidationError):
        EmailConfig.model_validate({**config, **change})


@given(secret=st.text("abc+/=", min_size=1, max_size=30))
def test_the_servers_words_never_quote_the_login(secret: str) -> None:
    """In the clear or as any mechanism writes it; a server of the internet may echo commands."""
    plain = base64.b64encode(f"\0USER\0{secret}".encode()).decode()
    bearer = base64.b64encode(f"user=USER\x01auth=Bearer {secret}\x01\x01".encode()).decode()
    for form in (secret, plain, bearer, base64.b64encode(secret.encode()).decode()):
        shown = words(f"5.7.8 WRONG:\n\0 {form}\ud800", "USER", secret)
        assert shown.isprintable()
        assert re.fullmatch(r"5\.7\.8 WRONG:  ?…+ ", shown)


# The test that sends nothing


async def test_the_test_says_what_it_saw_and_sends_nothing(post: Post) -> None:
    checks = await post.test()
    assert list(checks) == ["connect", "EHLO", "STARTTLS", "AUTH", "MAIL FROM", "RCPT TO", "RSET"]
    assert all(check.ok for check in checks.values())
    assert "certificate verified" in checks["STARTTLS"].detail
    assert "only a real mail can prove" in checks["RSET"].detail
    assert post.receiver.received == []
    assert "DATA" not in post.receiver.commands


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "RSET"])
async def test_the_test_names_the_step_that_fails(post: Post, step: str) -> None:
    names = {"CONNECT": "connect", "MAIL": "MAIL FROM", "RCPT": "RCPT TO"}
    post.receiver.replies[step] = "554 5.0.0 as told"
    failed = [check for check in (await post.test()).values() if not check.ok]
    assert [check.name for check in failed] == [names.get(step, step)]
    assert "554" in failed[0].detail
    assert failed[0].kind is (P if step in ("RCPT", "RSET") else M)


async def test_the_test_without_usual_recipients_does_not_claim_any(post: Post) -> None:
    checks = await post.test(to=[])
    assert "no usual recipients" in checks["RCPT TO"].detail
