"""Links in mails and cards by which people act on an entity: signed, and valid for a week. Pure.

Whoever has a link may act: it is a secret, which no record shows. A link names the delivery that it
was sent with, so that using it twice is known.
"""

import base64
import hashlib
import hmac
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from domain.keyring import Keyring
from domain.notification.event import Action
from domain.notification.message import Message

LASTS = timedelta(days=7)
PATH = "/v1/actions/"
_PURPOSE = b"firelater action link 1"
_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,4000})\.([A-Za-z0-9_-]{43})")
# What may be done to an entity in the state that a message tells.
_OFFERED = {
    Action.TRIGGER: (Action.ACKNOWLEDGE, Action.RESOLVE),
    Action.ACKNOWLEDGE: (Action.RESOLVE,),
    Action.RESOLVE: (),
}


class BadLink(Exception):
    """The link is not one of ours, or has expired; the message says which."""


@dataclass(frozen=True, slots=True)
class ActionLink:
    """An action on the entity with `alert_key`, offered by a delivery of an integration to `by` (an
    e-mail address; empty where many people read the message). `until`: seconds since 1970."""

    tenant_id: str
    integration_id: str
    delivery_id: str
    alert_key: str
    action: str
    by: str
    until: int


def offered(message: Message) -> tuple[Action, ...]:
    """What the reader of a message may do to its entity; nothing where it names none, or where a
    later event was told already."""
    if message.latest is not None or not (message.entity_type and message.entity_id):
        return ()
    return _OFFERED[message.action]


def expiry(message: Message) -> int:
    """Until when the links of a message are valid. It follows from the event, so that a repeated
    attempt sends the same links."""
    return int((message.created_at + LASTS).timestamp())


def sign(keyring: Keyring, link: ActionLink) -> str:
    """The link as a token for a URL, signed with the ring's active key."""
    said = json.dumps({"key": keyring.active, **asdict(link)}, separators=(",", ":")).encode()
    return f"{_encoded(said)}.{_encoded(_signature(keyring.keys[keyring.active], said))}"


def url_of(public_url: str, token: str) -> str:
    """The page at which the action is confirmed."""
    return f"{public_url.rstrip('/')}{PATH}{quote(token)}"


def read(keyring: Keyring, token: str, now: datetime) -> ActionLink:
    """The link of a token. Raises BadLink."""
    link = _of_ours(keyring, token)
    if link is None:
        raise BadLink("this is not one of our links")
    if datetime.fromtimestamp(link.until, UTC) < now:
        raise BadLink("this link has expired")
    return link


def _of_ours(keyring: Keyring, token: str) -> ActionLink | None:
    parts = _TOKEN.fullmatch(token)
    try:
        said = _decoded(parts[1]) if parts else b"{}"
        members = json.loads(said)
    except (ValueError, RecursionError):
        return None
    key = keyring.keys.get(str(members.pop("key", ""))) if isinstance(members, dict) else None
    if parts is None or key is None:
        return None
    written = f"{_encoded(said)}.{_encoded(_signature(key, said))}"  # the one way to write it
    is_ours = hmac.compare_digest(written, token)
    return ActionLink(**members) if is_ours else None


def _signature(key: bytes, said: bytes) -> bytes:
    own = hmac.new(key, _PURPOSE, hashlib.sha256).digest()  # the key has other uses, too
    return hmac.new(own, said, hashlib.sha256).digest()


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
