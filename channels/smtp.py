"""One mail over SMTP: whatever the server says has one class, and how far it came is known."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from channels.egress import Egress
from channels.email_config import EmailConfig
from channels.smtp_reply import class_of_reply, is_refusal, is_reply, silence, words
from domain.delivery import Check, DeliveryFailed, Failure, FailureClass

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_CLOSING = 421
_LEADING_DOT = re.compile(rb"(?m)^\.")


@dataclass
class Conversation:
    """A connection to the config's server, from the greeting to the one mail that goes over it.

    `step` is what is under way, `done` what was. `listed`: it leads to a destination of
    EGRESS_ALLOW, whose words nobody is shown. `handed_over`: the mail was written out whole, so
    the server may have taken it, whatever happens from now on.
    """

    config: EmailConfig
    step: str = "connect"
    done: list[Check] = field(default_factory=list)
    listed: bool = False
    handed_over: bool = False
    _smtp: "SMTP | None" = None

    @asynccontextmanager
    async def open(self, egress: Egress, context: ssl.SSLContext) -> AsyncIterator[None]:
        """Connected, encrypted and logged in, for as long as one call may take.

        Raises DeliveryFailed for everything that goes wrong, also within.
        """
        from aiosmtplib import SMTPException

        try:
            async with asyncio.timeout(egress.total):
                await self._connect(egress, context)
                if self.config.security == "starttls":
                    await self._encrypt()
                if self.config.username is not None:
                    await self._log_in(self.config.username)
                yield
        except (SMTPException, OSError) as error:
            raise DeliveryFailed(self._failure(error)) from None
        finally:
            self._leave()

    async def _connect(self, egress: Egress, context: ssl.SSLContext) -> None:
        from aiosmtplib import SMTP

        wire = await egress.open_socket(self.config.host, self.config.port)
        self.listed = egress.lists(*wire.getpeername()[:2])
        if self.config.security == "none" and not self.listed:
            wire.close()
            detail = "mail without TLS goes to servers within EGRESS_ALLOW only"
            raise DeliveryFailed(Failure(FailureClass.BLOCKED, detail))
        self._smtp = SMTP(
            hostname=self.config.host,
            port=None,
            sock=wire,
            use_tls=self.config.security == "tls",
            start_tls=False,  # by `_encrypt`, which tells a server without it apart
            tls_context=context,
            local_hostname=_own_name(wire),
            timeout=None,
        )
        await self._smtp.connect()
        self._passed(f"{self.config.host} answers at port {self.config.port}{self._tls()}")
        await self._greet()

    async def _greet(self) -> None:
        self.step = "EHLO"
        await self.smtp.ehlo()
        self._passed("it speaks ESMTP")

    async def _encrypt(self) -> None:
        self.step = "STARTTLS"
        if not self.smtp.supports_extension("starttls"):
            raise self._misconfigured("it offers no STARTTLS, so nothing was said to it")
        await self.smtp.starttls(server_hostname=self.config.host)
        self._passed(f"encrypted{self._tls()}")
        await self.smtp.ehlo()

    def _tls(self) -> str:
        found = self.smtp.get_transport_info("ssl_object")
        return f", {found.version()}, its certificate verified" if found else ""

    async def _log_in(self, username: str) -> None:
        self.step = "AUTH"
        method = self._method()
        logins: dict[str, Callable[..., Awaitable[object]]] = {
            "plain": self.smtp.auth_plain,
            "login": self.smtp.auth_login,
            "xoauth2": self.smtp.auth_xoauth2,
        }
        await logins[method](username, self.config.secret)
        self._passed(f"logged in with {method.upper()}")

    def _method(self) -> str:
        """The config's, or the best that the server offers."""
        wanted = ["xoauth2"] if self.config.access_token else ["plain", "login"]
        if self.config.auth != "auto":
            wanted = [self.config.auth]
        offered = self.smtp.server_auth_methods
        for method in wanted:
            if method in offered:
                return method
        names = " or ".join(wanted).upper()
        raise self._misconfigured(f"it offers no login with {names}")

    async def begin(self, sender: str, recipients: Sequence[str]) -> bool:
        """Say who writes; whether SMTPUTF8 was asked for, as some address needs it (RFC 6531)."""
        self.step = "MAIL FROM"
        utf8 = not all(map(str.isascii, [sender, *recipients])) and self._takes_utf8()
        if not sender.isascii() and not utf8:
            raise self._misconfigured(f"it offers no SMTPUTF8, which {sender} needs")
        await self.smtp.mail(sender, options=["SMTPUTF8"] if utf8 else [], encoding="utf-8")
        self._passed(f"it lets {sender} send")
        return utf8

    async def offer(self, recipient: str) -> Failure | None:
        """Name a recipient; why the server does not take mail for them, if so."""
        from aiosmtplib import SMTPRecipientRefused

        self.step = "RCPT TO"
        if not recipient.isascii() and not self._takes_utf8():
            detail = f"{self.config.host} offers no SMTPUTF8, which {recipient} needs"
            return Failure(FailureClass.PERMANENT, detail)
        try:
            await self.smtp.rcpt(recipient, encoding="utf-8")
        except SMTPRecipientRefused as refused:
            if refused.code == _CLOSING:
                raise
            return self._refused(refused.code, refused.message, recipient)
        self._passed(f"it takes mail for {recipient}")
        return None

    def _takes_utf8(self) -> bool:
        return self.smtp.supports_extension("smtputf8")

    async def hand_over(self, content: bytes) -> str:
        """The mail itself, lines ended by CRLF; what the server says once it has taken it."""
        from aiosmtplib import SMTPDataError, SMTPServerDisconnected

        self.step = "DATA"
        ready = await self.smtp.execute_command(b"DATA")
        if ready.code != 354:
            raise SMTPDataError(ready.code, ready.message)
        if self.smtp.protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        self.step = "the mail"
        self.smtp.protocol.write(_LEADING_DOT.sub(b"..", content) + b".\r\n")
        self.handed_over = True
        taken = await self.smtp.protocol.read_response()
        if not 200 <= taken.code <= 299:
            raise SMTPDataError(taken.code, taken.message)
        return self._shown(taken.message)

    async def reset(self) -> None:
        self.step = "RSET"
        await self.smtp.rset()

    @property
    def smtp(self) -> "SMTP":
        assert self._smtp is not None, "not connected"
        return self._smtp

    def _leave(self) -> None:
        """Say goodbye without waiting for the answer: what counts was said before."""
        from aiosmtplib import SMTPServerDisconnected

        if self._smtp is None:
            return
        if self._smtp.protocol is not None:
            with suppress(SMTPServerDisconnected):
                self._smtp.protocol.write(b"QUIT\r\n")
        self._smtp.close()

    def _passed(self, detail: str) -> None:
        self.done.append(Check(self.step, True, detail))

    def _misconfigured(self, why: str) -> DeliveryFailed:
        return DeliveryFailed(Failure(FailureClass.MISCONFIGURED, f"{self.config.host}: {why}"))

    def _failure(self, error: Exception) -> Failure:
        from aiosmtplib import SMTPResponseException

        if isinstance(error, SMTPResponseException):
            return self._refused(error.code, error.message)
        detail = f"{self.config.host}: {self.step}: {silence(error)}"
        return Failure(FailureClass.TRANSIENT, detail, maybe_sent=self.handed_over)

    def _refused(self, code: int, text: str, whom: str = "") -> Failure:
        """A reply that says no: the server's own word on whether it took the mail."""
        said = f"answered {code}" if is_reply(code) else "gave an answer that is not SMTP"
        return Failure(
            class_of_reply(code, to_login=self.step == "AUTH"),
            f"{self.config.host} {said} to {self.step} {whom}".rstrip(),
            status=code if is_reply(code) else None,
            maybe_sent=self.handed_over and not is_refusal(code),
            response=self._shown(text),
        )

    def _shown(self, text: str) -> str:
        return "" if self.listed else words(text, self.config)


def _own_name(wire: socket.socket) -> str:
    """RFC 5321 4.1.3: the address, as a worker has no name that the world knows."""
    address = str(wire.getsockname()[0])
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
