"""Classify an SMTP server's refusals, and say why there is no answer if none comes."""

import base64
import re
import ssl

from domain.integration.outcome import FailureClass

_ABOUT_LOGIN = frozenset({530, 534, 535})
# RFC 3463 3.5: "useful only as a persistent transient error". Gmail says so with 550 at the end of
# a day's quota (support.google.com/a/answer/3726730, "Gmail SMTP errors and codes"): it passes.
_CONGESTED = re.compile(r"5\.4\.5\b")
# Microsoft 365 looks at who may send as the sender once it has the whole mail: `550 5.7.60 SMTP;
# Client does not have permissions to send as this sender`, `554 5.2.252 SendAsDenied`, or that word
# after `5.2.0` (learn.microsoft.com, "Fix issues with printers, scanners, and LOB applications").
_OF_THE_SENDER = re.compile(r"5\.7\.60\b|5\.2\.252\b|5\.2\.0\b.*SendAsDenied", re.DOTALL)
# In these steps no recipient has been named yet, so a refusal is about us, and the config can mend
# it.
_OF_THE_INTEGRATION = frozenset({"connect", "EHLO", "HELO", "STARTTLS", "AUTH", "MAIL FROM"})
_ADVICE = {
    "EHLO": "set heloName to a name that it takes",
    "HELO": "set heloName to a name that it takes",
    "AUTH": "is the login right, and may it send by SMTP?",
    "MAIL FROM": "set fromAddress to one that it lets this login send as",
}
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def is_reply(code: int) -> bool:
    """Whether it is a code of RFC 5321; an answer that is not SMTP has none."""
    return 200 <= code <= 599


def is_refusal(code: int) -> bool:
    return 400 <= code <= 599


def blamed(step: str, text: str) -> str:
    """The step that a refusal is about: some servers refuse the sender in a later step."""
    return "MAIL FROM" if _OF_THE_SENDER.match(text) else step


def class_of_reply(code: int, step: str, text: str) -> FailureClass:
    """The class of a refusal by RFC 5321 4.2.1: a 4yz passes; a 5yz is final, or if no recipient
    was named yet, stays until the config changes. An enhanced code in the text goes first.

    An answer that is not SMTP, or does not fit the command, is taken for a server in trouble.
    """
    if not 500 <= code <= 599:
        return FailureClass.TRANSIENT
    if _CONGESTED.match(text):
        return FailureClass.THROTTLED
    if code in _ABOUT_LOGIN or step in _OF_THE_INTEGRATION:
        return FailureClass.MISCONFIGURED
    return FailureClass.PERMANENT


def advice(kind: FailureClass, step: str) -> str:
    """What to do about a refusal, to be added to its detail; may be empty."""
    return f": {_ADVICE[step]}" if kind is FailureClass.MISCONFIGURED and step in _ADVICE else ""


def silence(error: Exception) -> str:
    """Why there was no answer, for people."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {cause.reason}"
    return "no answer in time" if isinstance(error, TimeoutError) else "the connection broke"


def words(text: str, username: str, secret: str) -> str:
    """What the server said, as text; without the login, in case the server quotes it."""
    for form in (*_spoken(username, secret), secret) if secret else ():
        text = text.replace(form, "…")
    return _UNREADABLE.sub(" ", text)


def _spoken(username: str, secret: str) -> list[str]:
    """A login as PLAIN, XOAUTH2 and LOGIN write it."""
    said = [f"\0{username}\0{secret}", bearer(username, secret), secret]
    return [base64.b64encode(each.encode()).decode() for each in said]


def bearer(username: str, token: str) -> str:
    """XOAUTH2's login (developers.google.com/gmail/imap/xoauth2-protocol), before its base64."""
    return f"user={username}\x01auth=Bearer {token}\x01\x01"
