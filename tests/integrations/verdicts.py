"""The guard's verdict on URLs and addresses, as one word."""

from egress.guard import Refused, parse_target, permit
from egress.policy import Policy

STRICT = Policy()
INSIDE = Policy.parse("10.1.2.0/24:8443, 127.0.0.1/32:9001, [fd12::/16]:8443, *:8444")


def code(url: str, policy: Policy = STRICT) -> str:
    """The code of the refusal, or the canonical URL."""
    try:
        return parse_target(url, policy)
    except Refused as refused:
        return refused.code


def dialled(literal: str, port: int = 443, policy: Policy = STRICT) -> str:
    try:
        return "listed" if permit(literal, port, policy) else "public"
    except Refused as refused:
        return refused.code


def words(text: str) -> list[str]:
    return text.split()
