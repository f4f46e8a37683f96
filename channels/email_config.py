"""What an integration of type e-mail is told: its server, its login, who writes and to whom."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

import idna
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from channels.channel import ChannelConfig, ChannelOptions
from channels.guard import Refused, parse_host

RECIPIENTS = 50  # at most, in one mail
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_LOCAL_BYTES, _ADDRESS_BYTES = 64, 254  # RFC 5321 4.5.3.1, of which a path loses its brackets


def mailbox(text: str) -> str:
    """An address as SMTP takes it, its domain in ASCII (IDNA 2008).

    Only dot-atoms, as in RFC 5322; letters beyond ASCII before the @ are kept, and need a server
    with SMTPUTF8. Raises ValueError for anything else, so CR, LF and brackets never pass.
    """
    local, _, domain = text.strip().rpartition("@")
    if not all(_is_atom(each) for each in local.split(".")):
        raise ValueError("not an e-mail address")
    address = f"{local}@{_ascii(domain)}"
    if len(local.encode()) > _LOCAL_BYTES or len(address.encode()) > _ADDRESS_BYTES:
        raise ValueError("longer than an e-mail address may be")
    return address


def _is_atom(text: str) -> bool:
    """Letters beyond ASCII count as letters (RFC 6531), if they can be seen."""
    ascii_part = "".join(char if char.isascii() else "x" for char in text)
    return text.isprintable() and _ATOM.fullmatch(ascii_part) is not None


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("not a domain name") from None


def _host(text: str) -> str:
    """As the egress guard reads it, which looks at its addresses when they are dialled."""
    try:
        return parse_host(text)
    except Refused as refused:
        raise ValueError(refused.detail) from None


def _unbroken(text: str) -> str:
    if not text.isprintable():
        raise ValueError("line breaks and control characters have no place in a header")
    return text


def _several(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


Mailbox = Annotated[str, StringConstraints(max_length=320), AfterValidator(mailbox)]
Mailboxes = Annotated[
    tuple[Mailbox, ...], BeforeValidator(_several, json_schema_input_type=str | list[str])
]
Word = Annotated[str, AfterValidator(_unbroken)]


class EmailConfig(ChannelConfig):
    """A mail server for submission, and the mails' sender and usual recipients.

    `security` "none" sends everything readable on the wire: it is for servers within
    EGRESS_ALLOW only, and refused elsewhere when connecting. `auth` "auto" takes XOAUTH2 with an
    `accessToken`, else PLAIN, else LOGIN, as the server offers. A message for a user with an
    e-mail address goes to that user instead of `to`.
    """

    destinations: ClassVar[frozenset[str]] = frozenset({"host", "port", "security"})

    host: Annotated[str, StringConstraints(min_length=1, max_length=253), AfterValidator(_host)]
    port: int = Field(587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Word | None = Field(None, min_length=1, max_length=320)
    password: SecretStr | None = Field(None, max_length=1_000)
    access_token: SecretStr | None = Field(None, max_length=8_000)
    auth: Literal["auto", "plain", "login", "xoauth2"] = "auto"
    from_address: Mailbox
    from_name: Word = Field("FireLater", max_length=100)
    to: Mailboxes = Field((), max_length=RECIPIENTS)
    reply_to: Mailbox | None = None

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        secrets = [self.password, self.access_token]
        if self.password and self.access_token:
            raise ValueError("password and accessToken exclude each other")
        if (self.username is None) != (secrets == [None, None]):
            raise ValueError("a login is a username with a password or an accessToken")
        if self.access_token and self.auth in ("plain", "login"):
            raise ValueError(f"{self.auth} needs a password")
        if self.auth == "xoauth2" and not self.access_token:
            raise ValueError("xoauth2 needs an accessToken")
        return self

    def servers(self) -> tuple[tuple[str, int], ...]:
        return ((self.host, self.port),)

    @property
    def secret(self) -> str:
        """The password or the access token; empty if the server asks for neither."""
        held = self.access_token or self.password
        return held.get_secret_value() if held else ""


class EmailOptions(ChannelOptions):
    """`to`, an address or several, gets what is for no user with an address of their own."""

    to: Mailboxes = Field((), max_length=RECIPIENTS)
