"""The interface of a type of integration whose vendor calls us: who called, and what was done."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from domain.notification.inbound import VendorAction

CALL_BYTES = 2**20
Config_contra = TypeVar("Config_contra", contravariant=True)


class Forged(Exception):
    """The call is not signed by the vendor, or too long ago. The message says what to look at."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request from a vendor, as it arrived `at` some time. The names of headers are in lower
    case, and `body` is what was signed, byte by byte."""

    headers: Mapping[str, str]
    body: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What a call says: `actions` of people, in their order, if there were any.

    `key` is the same for all repetitions of the call. It is taken from what is signed (an id in the
    body, else the digest), since anybody may repeat a call with other headers.
    """

    key: str
    actions: tuple[VendorAction, ...] = ()


class Inbound(Protocol[Config_contra]):
    """How a vendor's calls are read. `shows_own`: the vendor's tool shows by itself what people do
    in it, so that the event which follows is not sent there."""

    shows_own: bool

    def is_ready(self, config: Config_contra) -> bool:
        """Whether the config has the secret that calls are checked with."""
        ...

    def read(self, config: Config_contra, call: Call) -> Report:
        """What the call says. Raises Forged if it is not the vendor's."""
        ...


def digest(content: bytes) -> str:
    """A key for calls that hold no id of their own."""
    return hashlib.sha256(content).hexdigest()


def hmac_sha256(secret: str, content: bytes) -> str:
    """The signature in hexadecimal."""
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def is_among(expected: str, signatures: Iterable[str]) -> bool:
    """Whether one of the signatures is the expected one, in a time that tells nothing of it."""
    found = [hmac.compare_digest(expected.encode(), each.encode()) for each in signatures]
    return any(found)
