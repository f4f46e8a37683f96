"""Send one mail over SMTP, classify whatever the server says, and know how far the mail came."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass
from egress.client import Egress
from integrations.email.config import EmailConfig
from integrations.email.smtp_data import Transfer
from integrations.email.smtp_login import log_in, method_of, wanted
from integrations.email.smtp_reply import (
    advice,
    blamed,
    class_of_reply,
    is_refusal,
    is_reply,
    silence,
    words,
)
from integrations.email.smtp_waits import Waits
from integrations.oauth import Token, Tokens

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_CLOSING = 421
_UNKNOWN = (500, 502)  # what a server that does not know EHLO answers to it (RFC 5321 4.1.4)

Answer = TypeVar("Answer")


@dataclass
class Conversation:
    """A connection to the config's server, from the greeting to the one mail that goes over it.

    `step` is the step under way, `done` holds the checks of steps before it. `listed`: the server
    is a private destination of EGRESS_ALLOW, so what it says is not shown.
    """

    config: EmailConfig
    tokens: Tokens
    waits: Waits
    step: str = "connect"
    done: list[Check] = field(default_factory=list)
    listed: bool = False
    _secret: str = ""
    _transfer: Transfer | None = None
    _is_broken: bool = False  # an answer is missing, so later ones would be taken for others
    _smtp: "SMTP | None" = None

    @asynccontextmanager
    async def open(self, egress: Egress, context: ssl.SSLContext) -> AsyncIterator[None]:
        """Connect, encrypt and log in.

        Raises DeliveryFailed for everything that goes wrong, also within the block.
        """
        from aiosmtplib import SMTPException, SMTPResponseException

        try:
            token = await self._token(egress)  # first, so that no server has to wait for it
            async with asyncio.timeout(self.waits.before) as self._before:
                await self._connect(egress, context)
                if self.config.security == "starttls":
                    await self._encrypt()
                if self.config.username is not None:
                    await self._log_in(self.config.username, token, egress)
                yield
        except SMTPResponseException as error:
            raise DeliveryFailed(self._refused(error.code, error.message)) from None
        except (SMTPException, OSError) as error:
            self._is_broken = True
            raise DeliveryFailed(self._unanswered(error)) from None
        finally:
            self._leave()

    async def _ask(self, step: str, seconds: float, answer: Awaitable[Answer]) -> Answer:
        self.step = step
        async with asyncio.timeout(seconds):
            return await answer

    async def _connect(self, egress: Egress, context: ssl.SSLContext) -> None:
        from aiosmtplib import SMTP

        wire = await egress.open_socket(self.config.host, self.config.port)
        self.listed = egress.lists(*wire.getpeername()[:2])
        if self.config.security == "none" and not self.listed:
            wire.close()
            detail = "mail without TLS goes to private servers of EGRESS_ALLOW only"
            raise DeliveryFailed(Failure(FailureClass.BLOCKED, detail))
        self._smtp = SMTP(
            hostname=self.config.host,
            port=None,
            sock=wire,
            use_tls=self.config.security == "tls",
            start_tls=False,  # `_encrypt` does it, and tells if a server does not offer it
            tls_context=context,
            local_hostname=self.config.greets_as,
            timeout=None,  # `_ask` has the timeouts
        )
        await self._ask("connect", self.waits.greeting, self._smtp.connect())
        self._passed(f"{self.config.host} answers at port {self.config.port}{self._tls()}")
        await self._greet()

    async def _greet(self) -> None:
        from aiosmtplib import SMTPHeloError

        try:
            await self._ask("EHLO", self.waits.command, self.smtp.ehlo())
            self._passed(f"it speaks ESMTP with {self.config.greets_as}")
        except SMTPHeloError as refused:
            if refused.code not in _UNKNOWN:
                raise
            await self._ask("HELO", self.waits.command, self.smtp.helo())
            self._passed(f"it speaks SMTP with {self.config.greets_as}")

    async def _encrypt(self) -> None:
        self.step = "STARTTLS"
        if not self.smtp.supports_extension("starttls"):
            raise self._misconfigured("it offers no STARTTLS, so no login or mail was sent to it")
        encrypted = self.smtp.starttls(server_hostname=self.config.host)
        await self._ask("STARTTLS", self.waits.encryption, encrypted)
        self._passed(f"encrypted{self._tls()}")
        await self._ask("EHLO", self.waits.command, self.smtp.ehlo())

    def _tls(self) -> str:
        found = self.smtp.get_transport_info("ssl_object")
        return f", {found.version()}, its certificate verified" if found else ""

    async def _token(self, egress: Egress) -> Token | None:
        if self.config.grant is None:
            self._secret = self.config.secret
            return None
        self.step = "token"
        token = await self.tokens.token(self.config.grant, egress)
        self._passed("an access token was given")
        self._secret, self.step = token.text, "connect"
        return token

    async def _log_in(self, username: str, token: Token | None, egress: Egress) -> None:
        """Log in. If the server refuses a token that was kept, another is asked for, once."""
        from aiosmtplib import SMTPAuthenticationError

        self.step = "AUTH"
        method = method_of(self.config, self.smtp.server_auth_methods)
        if method is None:
            names = " or ".join(wanted(self.config)).upper()
            raise self._misconfigured(f"it offers no login with {names}")
        try:
            await self._authenticate(method, username)
        except SMTPAuthenticationError as refused:
            if token is None or self.config.grant is None or refused.code < 500:
                raise
            self.tokens.forget(self.config.grant, token)
            if token.is_new:
                raise
            self._secret = (await self.tokens.token(self.config.grant, egress)).text
            await self._authenticate(method, username)
        self._passed(f"logged in with {method.upper()}")

    async def _authenticate(self, method: str, username: str) -> None:
        login = log_in(self.smtp, method, username, self._secret)
        await self._ask("AUTH", self.waits.command, login)

    async def begin(self, sender: str, others: Sequence[str]) -> bool:
        """Say who writes. Returns whether SMTPUTF8 (RFC 6531) was asked for, because an address
        needs it: the sender's, or one of the others (recipients and Reply-To)."""
        self.step = "MAIL FROM"
        utf8 = not all(map(str.isascii, [sender, *others])) and self.takes_utf8
        if not sender.isascii() and not utf8:
            raise self._misconfigured(f"it offers no SMTPUTF8, which {sender} needs")
        options = ["SMTPUTF8"] if utf8 else []
        said = self.smtp.mail(sender, options=options, encoding="utf-8")
        await self._ask("MAIL FROM", self.waits.command, said)
        self._passed(f"it lets {sender} send")
        return utf8

    async def offer(self, recipient: str) -> Failure | None:
        """Name a recipient. Returns the failure if the server does not take mail for them."""
        from aiosmtplib import SMTPRecipientRefused

        self.step = "RCPT TO"
        if not recipient.isascii() and not self.takes_utf8:
            detail = f"{self.config.host} offers no SMTPUTF8, which {recipient} needs"
            return Failure(FailureClass.PERMANENT, detail)
        try:
            said = self.smtp.rcpt(recipient, encoding="utf-8")
            await self._ask("RCPT TO", self.waits.command, said)
        except SMTPRecipientRefused as refused:
            if refused.code == _CLOSING:
                raise
            return self._refused(refused.code, refused.message, recipient)
        self._passed(f"it takes mail for {recipient}")
        return None

    @property
    def takes_utf8(self) -> bool:
        return self.smtp.supports_extension("smtputf8")

    async def hand_over(self, content: bytes) -> str:
        """Send the mail itself, its lines ended by CRLF. Returns what the server says to it."""
        from aiosmtplib import SMTPDataError, SMTPServerDisconnected

        ready = await self._ask("DATA", self.waits.data, self.smtp.execute_command(b"DATA"))
        if ready.code != 354:
            raise SMTPDataError(ready.code, ready.message)
        if self.smtp.protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        self.step = "the mail"
        self._before.reschedule(None)
        self._transfer = Transfer(self.smtp.protocol, self.waits)
        taken = await self._transfer.write(content)
        if not (self._transfer.is_whole and 200 <= taken.code <= 299):
            raise SMTPDataError(taken.code, taken.message)
        return self._shown(taken.message)

    async def reset(self) -> None:
        await self._ask("RSET", self.waits.command, self.smtp.rset())

    @property
    def smtp(self) -> "SMTP":
        assert self._smtp is not None, "not connected"
        return self._smtp

    def _leave(self) -> None:
        """Send QUIT and close, without waiting for the answer, which changes nothing.

        In the middle of a mail, or if an answer is missing, the connection is cut instead.
        """
        from aiosmtplib import SMTPException

        if self._smtp is None:
            return
        protocol, transport = self._smtp.protocol, self._smtp.transport
        amid_the_mail = self._transfer is not None and not self._transfer.is_whole
        if protocol is not None and not (self._is_broken or amid_the_mail):
            with suppress(SMTPException, OSError):
                protocol.write(b"QUIT\r\n")
        elif transport is not None:
            cast(asyncio.WriteTransport, transport).abort()
        self._smtp.close()

    @property
    def _maybe_sent(self) -> bool:
        return self._transfer is not None and self._transfer.is_whole

    def _passed(self, detail: str) -> None:
        self.done.append(Check(self.step, True, detail))

    def _misconfigured(self, why: str) -> DeliveryFailed:
        return DeliveryFailed(Failure(FailureClass.MISCONFIGURED, f"{self.config.host}: {why}"))

    def _unanswered(self, error: Exception) -> Failure:
        detail = f"{self.config.host}: {self.step}: {silence(error)}"
        return Failure(FailureClass.TRANSIENT, detail, maybe_sent=self._maybe_sent)

    def _refused(self, code: int, text: str, whom: str = "") -> Failure:
        """The failure for a reply that refuses; the reply itself says whether it took the mail."""
        said = f"answered {code}" if is_reply(code) else "gave an answer that is not SMTP"
        detail = f"{self.config.host} {said} to {self.step} {whom}".rstrip()
        step = blamed(self.step, text)
        kind = class_of_reply(code, step, text)
        return Failure(
            kind,
            detail + advice(kind, step),
            status=code if is_reply(code) else None,
            maybe_sent=self._maybe_sent and not is_refusal(code),
            response=self._shown(text),
        )

    def _shown(self, text: str) -> str:
        return "" if self.listed else words(text, self.config.username or "", self._secret)
