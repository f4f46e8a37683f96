"""Logging in at a mail server, with a password or with a token."""

import base64
from typing import TYPE_CHECKING

from integrations.email.config import EmailConfig
from integrations.email.smtp_reply import bearer

if TYPE_CHECKING:
    from aiosmtplib import SMTP


def method_of(config: EmailConfig, offered: list[str]) -> str | None:
    """The first login method of the config that the server offers; None if it offers none."""
    return next((way for way in wanted(config) if way in offered), None)


def wanted(config: EmailConfig) -> list[str]:
    if config.auth != "auto":
        return [config.auth]
    return ["xoauth2"] if config.uses_tokens else ["plain", "login"]


async def log_in(smtp: "SMTP", method: str, username: str, secret: str) -> None:
    """Log in. Raises SMTPAuthenticationError with the server's last answer, or another error of
    aiosmtplib."""
    if method == "plain":
        await smtp.auth_plain(username, secret)
    elif method == "login":
        await smtp.auth_login(username, secret)
    else:
        await _log_in_with_token(smtp, username, secret)


async def _log_in_with_token(smtp: "SMTP", username: str, token: str) -> None:
    """XOAUTH2. A server that refuses the token says why in a challenge, and refuses only once that
    is answered; aiosmtplib's own method drops the reason."""
    from aiosmtplib import SMTPAuthenticationError

    login = base64.b64encode(bearer(username, token).encode())
    answer, reason = await smtp.execute_command(b"AUTH", b"XOAUTH2", login), ""
    if answer.code == 334:
        reason = _decoded(answer.message)
        answer = await smtp.execute_command(b"")
    if answer.code != 235:
        raise SMTPAuthenticationError(answer.code, f"{answer.message} {reason}".strip())


def _decoded(challenge: str) -> str:
    """The challenge is JSON in base64, as in {"status":"400","schemes":"Bearer","scope":"…"}."""
    try:
        return base64.b64decode(challenge, validate=True).decode(errors="replace")[:1_000]
    except ValueError:
        return ""
