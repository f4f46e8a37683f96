"""Takes secrets out of what is kept and shown: by their value, and by the name they go by."""

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

REDACTED = "[redacted]"

_SHORTEST = 4  # shorter values are no secrets, and would be found everywhere
_SHORTEST_PART = 8  # of a URL, and of a text in base64

# Names as `_snake` writes them. After Sentry's DEFAULT_DENYLIST (sentry_sdk/scrubber.py), with
# what our vendors call theirs.
_SECRET_NAME = re.compile(
    r"(^|_)(authorization|password|passwd|pwd|passphrase|secrets?|cookies?|credentials?|csrf"
    r"|session_?id|jwt|bearer)(_|$)"
    r"|(^|_)(tokens?|xsrf|webhook_?url|dsn|auth"
    r"|(api|access|secret|private|signing|routing|integration|service|genie|encryption)_?key)$"
)
_NOTHING = r"(?!)"
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

_USER_INFO = re.compile(r"(?<=://)[^\s/?#@]*:[^\s/?#@]+(?=@)")  # the credentials in a URL

# The fixed words in the paths of vendors' webhook URLs, which are no secret.
_URL_WORDS = frozenset({"services", "workflows", "triggers", "webhooks", "webhookb2"})
_URL_DELIMITERS = re.compile(r"[/?&=#:@]")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a member or header of that name holds a secret."""
    return _SECRET_NAME.search(_WORD_START.sub("_", name).lower()) is not None


class Redactor:
    """Replaces every occurrence of the secrets: as they are, encoded, and parts of secret URLs.

    `secrets` are texts, or mappings and lists of texts, at any depth.
    """

    def __init__(self, secrets: Mapping[str, Any]) -> None:
        forms = {form for secret in _texts(secrets) for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._secret = re.compile("|".join(map(re.escape, longest_first)) or _NOTHING)

    def text(self, text: str) -> str:
        found = self._secret.sub(REDACTED, text)
        return _USER_INFO.sub(REDACTED, found) if "://" in found else found

    def value(self, value: Any) -> Any:
        """The same JSON, or headers, without secrets; also without what is only named like one."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {self.text(str(name)): self._member(name, value[name]) for name in value}
            case list() | tuple():
                return [self.value(each) for each in value]
        return value

    def _member(self, name: object, value: Any) -> Any:
        keeps_silent = value is None or isinstance(value, bool)
        return REDACTED if is_secret_name(str(name)) and not keeps_silent else self.value(value)


def _texts(secret: Any) -> Iterator[str]:
    match secret:
        case str():
            yield secret
        case Mapping():
            for inner in secret.values():
                yield from _texts(inner)
        case list() | tuple():
            for inner in secret:
                yield from _texts(inner)


def _forms(secret: str) -> Iterator[str]:
    """All the texts that give the secret away."""
    if len(secret) < _SHORTEST:
        return
    for text in (secret, *_parts(secret)):
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield html.escape(text)
        for encoded in (quote(text), quote(text, safe=""), quote_plus(text)):
            yield from (encoded, _lower_escapes(encoded))
        yield from _base64(text.encode())


def _parts(secret: str) -> Iterator[str]:
    """What follows the host of a URL, piece by piece, and its credentials."""
    if "://" not in secret:
        return
    try:
        url = urlsplit(secret)
    except ValueError:
        return
    user_info = url.netloc.rpartition("@")[0]
    for place in (user_info, url.path, url.query, url.fragment):
        for part in _URL_DELIMITERS.split(place):
            if len(part) >= _SHORTEST_PART and part not in _URL_WORDS:
                yield part


def _base64(secret: bytes) -> Iterator[str]:
    """The secret in base64, alone or inside something longer, as in `user:password`.

    Three bytes become four characters, so there are three ways to be inside; the characters at
    both ends depend on the neighbours and are left out.
    """
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode().rstrip("=")
        start, whole = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        inside = encoded[start:whole]
        if len(inside) >= _SHORTEST_PART:
            yield from (inside, inside.replace("+", "-").replace("/", "_"))
    yield base64.b64encode(secret).decode()
    yield base64.urlsafe_b64encode(secret).decode()


def _lower_escapes(encoded: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda escape: escape[0].lower(), encoded)
