"""What an SMTP server's no means, and what it means if it says nothing at all."""

import re
import ssl

from channels.email_config import EmailConfig
from domain.delivery import FailureClass

_ABOUT_LOGIN = frozenset({530, 534, 535})
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def is_reply(code: int) -> bool:
    """Whether it is a code of RFC 5321; what is not SMTP has none."""
    return 200 <= code <= 599


def is_refusal(code: int) -> bool:
    return 400 <= code <= 599


def class_of_reply(code: int, *, to_login: bool = False) -> FailureClass:
    """RFC 5321 4.2.1: a 4yz passes, a 5yz stays. That of a login waits for another config.

    What is no SMTP, or no answer to what was asked, is taken for a server in trouble.
    """
    if code in _ABOUT_LOGIN or (to_login and 500 <= code <= 599):
        return FailureClass.MISCONFIGURED
    return FailureClass.PERMANENT if 500 <= code <= 599 else FailureClass.TRANSIENT


def silence(error: Exception) -> str:
    """Why there was no answer, for people."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {cause.reason}"
    return "no answer in time" if isinstance(error, TimeoutError) else "the connection broke"


def words(text: str, config: EmailConfig) -> str:
    """What the server said, as text; without the login, should it quote what it was told."""
    from aiosmtplib.auth import auth_login_encode, auth_plain_encode, auth_xoauth2_encode

    login = config.username or "", config.secret
    encoded = [auth_plain_encode(*login), auth_xoauth2_encode(*login), auth_login_encode(*login)[1]]
    for form in (*(each.decode() for each in encoded), config.secret):
        text = text.replace(form, "…") if config.secret else text
    return _UNREADABLE.sub(" ", text)
