"""E-mail addresses as SMTP takes them, and the name that a client greets with."""

import re
import unicodedata
from typing import Annotated

import idna
from pydantic import AfterValidator, StringConstraints, ValidationInfo

from integrations.channel import SAVING

_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_LITERAL = re.compile(r"\[[A-Za-z0-9:.]{2,50}\]")
_SHOWN_CHARS = 320
_DOTS = ".\u3002\uff0e\uff61"  # all characters that IDNA reads as a dot
_LOCAL_BYTES, _ADDRESS_BYTES = 64, 254  # RFC 5321 4.5.3.1: a path of 256, less its brackets


def mailbox(text: str) -> str:
    """An address as SMTP takes it, its domain in ASCII (IDNA 2008), its letters composed (NFC).

    Only dot-atoms, as in RFC 5322; letters beyond ASCII before the @ are kept, and need a server
    with SMTPUTF8. Raises ValueError for anything else, so CR, LF and brackets never pass.
    """
    local, _, domain = unicodedata.normalize("NFC", text.strip()).rpartition("@")
    if not all(_is_atom(each) for each in local.split(".")):
        raise ValueError("not an e-mail address: one is name@domain, without blanks or brackets")
    address = f"{local}@{_ascii(domain)}"
    if address.endswith("."):
        raise ValueError("an e-mail address does not end with a dot: leave it out")
    if len(local.encode()) > _LOCAL_BYTES or len(address.encode()) > _ADDRESS_BYTES:
        raise ValueError("longer than an e-mail address may be")
    return address


def meant(text: str) -> str:
    """The address that a text means; the text itself, on one line, if it means none.

    For addresses in events, and in rows that were saved when less was checked: a bad address does
    not keep the message from the other recipients.
    """
    try:
        return mailbox(text.strip().rstrip(_DOTS))
    except ValueError:
        return " ".join(text.split())[:_SHOWN_CHARS]


def _saved(text: str, info: ValidationInfo) -> str:
    """Strict when a config is written; an address that was saved before the rule loses its dot."""
    return mailbox(text if info.context == SAVING else text.strip().rstrip(_DOTS))


def _is_atom(text: str) -> bool:
    """Letters beyond ASCII count as letters (RFC 6531), if they can be seen."""
    ascii_part = "".join(char if char.isascii() else "x" for char in text)
    return text.isprintable() and _ATOM.fullmatch(ascii_part) is not None


def _ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("what follows the @ is not a domain name") from None


def _greeting(text: str) -> str:
    if _LITERAL.fullmatch(text):
        return text
    try:
        return idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("a greeting is a domain name, or an address as in [192.0.2.1]") from None


_Short = StringConstraints(max_length=_SHOWN_CHARS)
Mailbox = Annotated[str, _Short, AfterValidator(mailbox)]
SavedMailbox = Annotated[str, _Short, AfterValidator(_saved)]
GreetingName = Annotated[
    str, StringConstraints(min_length=1, max_length=253), AfterValidator(_greeting)
]
