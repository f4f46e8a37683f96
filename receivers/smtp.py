"""A mail server on this machine: it speaks real SMTP, and answers as usual or as a test wants."""

import asyncio
import base64
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any, AnyStr, Literal, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from receivers.arrivals import Arrivals
from receivers.authority import Authority

_LINE_BYTES = 998  # RFC 5322 2.1.1
_AUTH_LINE_BYTES = 12_288  # RFC 4954 4
# What every spam filter refuses, so that it can be tried out (spamassassin.apache.org/gtube).
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that arrived, and the `reply` that took or refused it; `login` is the user that sent
    it, `tls` the version of TLS."""

    at: float  # time.time()
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    reply: str
    login: str | None
    tls: str | None

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=SMTP_POLICY)

    @property
    def status(self) -> int:
        """The code of the reply; 0 if there was none."""
        return int(self.reply[:3]) if self.reply[:3].isdigit() else 0


class SmtpReceiver(Arrivals[Mail]):
    """Takes mail from one user, over STARTTLS, TLS or in the clear.

    `replies` holds answers out of the ordinary, by command ("CONNECT" for the greeting, "EHLO",
    "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "." for the mail's end, "RSET", "QUIT"), or
    by command and address ("RCPT a@b.example"): a line of SMTP, or "hang", or "disconnect".
    `delays` holds the seconds before each command is answered. `wants_names`: a client that greets
    with an address is refused.
    """

    kind = "email"
    username, password, token = "firelater", "a-mail-password-of-the-example", "ya29.a0-token"

    def __init__(
        self,
        security: Literal["starttls", "tls", "none"] = "starttls",
        *,
        size: int = 1_000_000,
        utf8: bool = False,
        login: bool = True,
    ) -> None:
        super().__init__()
        self.security = security
        self.size, self.utf8, self.login = size, utf8, login
        self.mechanisms = {"PLAIN", "LOGIN", "XOAUTH2"}
        self.replies: dict[str, str] = {}
        self.delays: dict[str, float] = {}
        self.wants_names = False
        self.commands: list[str] = []  # in order, AUTH without the credentials
        self.authority = Authority()

    def note(self, server: "_Server", envelope: Envelope, reply: str) -> None:
        session = cast(Session, server.session)
        encrypted = server.transport.get_extra_info("ssl_object") if server.transport else None
        mail = Mail(
            time.time(),
            str(envelope.mail_from),
            tuple(envelope.rcpt_tos),
            bytes(cast(bytes, envelope.original_content)),
            reply,
            session.auth_data.login.decode() if session.auth_data else None,
            encrypted.version() if encrypted else None,
        )
        self.keep(mail)

    def protocol(self) -> asyncio.BaseProtocol:
        """The protocol of one connection. aiosmtpd's warning of logins without TLS is ignored, as
        "none" is meant to take them."""
        with warnings.catch_warnings(action="ignore"):
            return self._server(self.security == "starttls")

    def _server(self, starttls: bool) -> "_Server":
        return _Server(
            self,
            hostname="mail.example",
            ident="ESMTP",
            data_size_limit=self.size,
            enable_SMTPUTF8=self.utf8,
            tls_context=self.authority.server if starttls else None,
            require_starttls=starttls,
            auth_required=self.login,
            auth_require_tls=starttls,
            auth_exclude_mechanism={"PLAIN", "LOGIN", "XOAUTH2"} - self.mechanisms,
            authenticator=self._authenticate,
            loop=asyncio.get_running_loop(),
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any
    ) -> AuthResult:
        known = self.token if mechanism == "XOAUTH2" else self.password
        is_known = login == LoginPassword(self.username.encode(), known.encode())
        return AuthResult(success=is_known, handled=False, auth_data=login)


class _Server(SMTP):
    """One connection; every command may have its reply from the receiver's `replies`."""

    command_size_limit = _AUTH_LINE_BYTES
    line_length_limit = _AUTH_LINE_BYTES + 2

    def __init__(self, receiver: SmtpReceiver, **options: Any) -> None:
        self._receiver = receiver
        self._is_greeted = False
        super().__init__(_Handler(receiver), **options)
        for command in ("EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT"):
            self._smtp_methods[command] = self._scripted(command, self._smtp_methods[command])

    def _scripted(self, command: str, usual: Callable[..., Any]) -> Callable[..., Any]:
        async def method(arg: str | None) -> None:
            shown = (arg or "").split(" ")[0] if command == "AUTH" else arg or ""
            self._receiver.commands.append(f"{command} {shown}".strip())
            address = shown.partition("<")[2].partition(">")[0]
            is_literal = command == "EHLO" and shown.startswith("[")
            if is_literal and self._receiver.wants_names:
                await super(_Server, self).push("501 5.5.2 a name is wanted, no address")
            elif not await self.answered(command, address):
                await usual(arg)

        return method

    async def answered(self, command: str, address: str = "") -> bool:
        """Give the reply that `replies` has for this command; returns whether there is one."""
        replies = self._receiver.replies
        await asyncio.sleep(self._receiver.delays.get(command, 0))
        reply = replies.get(f"{command} {address}") or replies.get(command)
        if reply == "hang":
            await self._receiver.released.wait()
        if reply in ("hang", "disconnect"):
            if self.transport is not None:
                cast(asyncio.Transport, self.transport).abort()
        elif reply:
            await super().push(reply)
        return bool(reply)

    async def push(self, status: AnyStr) -> None:
        """Overridden for the greeting, which answers no command."""
        is_greeting, self._is_greeted = not self._is_greeted, True
        if not (is_greeting and await self.answered("CONNECT")):
            await super().push(status)


class _Handler:
    def __init__(self, receiver: SmtpReceiver) -> None:
        self._receiver = receiver

    async def auth_XOAUTH2(self, server: _Server, args: list[str]) -> AuthResult:  # noqa: N802
        """Google's and Microsoft's login, user and token in one; a refusal is a challenge first."""
        try:
            text = base64.b64decode(args[1], validate=True) if len(args) > 1 else b""
        except ValueError:
            await server.push("501 5.5.2 Cannot Decode response")
            return AuthResult(success=False, handled=True)
        user, _, bearer = text.strip(b"\x01").partition(b"\x01")
        token = bearer.removeprefix(b"auth=Bearer ")
        found = LoginPassword(user.removeprefix(b"user="), token)
        result = server._authenticate("XOAUTH2", found)
        if not result.success:
            await server.challenge_auth('{"status":"401","schemes":"bearer","scope":"mail"}')
        return result

    async def handle_DATA(  # noqa: N802
        self, server: _Server, session: Session, envelope: Envelope
    ) -> str:
        """The reply to the mail's end. What no server takes is refused, whatever `replies` says."""
        content = cast(bytes, envelope.original_content)
        reply = self._receiver.replies.get(".", "") or "250 2.0.0 Ok: queued as 4XyZ01"
        if max(map(len, content.split(b"\r\n"))) > _LINE_BYTES:
            reply = "500 5.5.2 Line too long"
        elif GTUBE in _text(content):
            reply = "554 5.7.1 Message rejected as spam"
        self._receiver.note(server, envelope, reply)
        await asyncio.sleep(self._receiver.delays.get(".", 0))
        if reply in ("hang", "disconnect"):
            await server.answered(".")
        return reply


def _text(content: bytes) -> str:
    """All of a mail that people would read: its subject and its text parts."""
    message = message_from_bytes(content, policy=SMTP_POLICY)
    parts = [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"]
    return "\n".join([str(message["Subject"]), *parts])


@asynccontextmanager
async def serving(receiver: SmtpReceiver, port: int = 0) -> AsyncIterator[SmtpReceiver]:
    """Serve the receiver on loopback within the block."""
    context = receiver.authority.server if receiver.security == "tls" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(receiver.protocol, "127.0.0.1", port, ssl=context)
    receiver.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.close()


def trusting(receiver: SmtpReceiver) -> ssl.SSLContext:
    """The TLS context of a client that trusts the receiver's authority."""
    return ssl.create_default_context(cadata=receiver.authority.pem)
