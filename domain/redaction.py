"""Removes secrets from texts and JSON that are stored or shown: by their values, and by names."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from domain.secrecy import is_ordinary, secrets_in
from domain.secrecy import is_secret_name as is_secret_name

REDACTED = "[redacted]"

_SHORTEST_PART = 8  # characters; any text may hold a shorter piece of base64 by chance

_NOTHING = r"(?!)"  # a pattern that matches nowhere
# The credentials in a URL, also in JSON of PHP, which writes `\/` for `/`. A match is bounded, for
# speed, and has no quote in it, so that it never reaches beyond a string of JSON.
_USER_INFO = re.compile(
    r"""(?:(?<=://)|(?<=:\\/\\/))[^\s/?#@"'<>\\]{0,300}:[^\s/?#@"'<>\\]{1,300}(?=@)"""
)

# The token of a link by which people act (domain/notification/action_link.py): whoever has it may.
_ACTION = re.compile(r"(/v1\\?/actions\\?/)[\w.~%-]+")

# A text that names a credential and then states it: `password: …`, `"token":"…"`, `pwd is …`.
_NAMED = r"(?i:passw(?:or)?d|passphrase|pwd|pass|secret|token|api[ _-]?key|credentials?)"
_NAMED += r"""["'`]?\s*(?:[:=]|\bis\b|\bwas\b|(?=["'`]))\s*["'`]?"""


class Redactor:
    """Replaces secrets: as they are, in their encodings, and the secret parts of a secret URL.

    `secrets` are texts, or mappings and lists of texts, at any depth. Some are ordinary words (a
    password `incidents`, a header `production`), which any event may hold as well. In texts from
    others they are hidden, too (`text`, `value`), since those may repeat a credential. What we
    sent holds no credentials by construction (`sent`, `request`): there such a word is ordinary
    text, and hiding it would only point at the secret.
    """

    def __init__(self, secrets: Mapping[str, Any]) -> None:
        found = {secret for text in _texts(secrets) for secret in secrets_in(text)}
        self._words = {secret for secret in found if is_ordinary(secret)}
        revealing = {form for secret in found - self._words for form in _forms(secret)}
        revealing |= {form for word in self._words for form in _base64(word.encode())}
        self._all_forms = revealing | {form for word in self._words for form in _forms(word)}
        self._revealing_forms, self._revealing = revealing, _any_of(revealing)
        self._all = _any_of(self._all_forms)
        self._as_credential = _after_its_name(self._words)

    def text(self, text: str, sent: str = "") -> str:
        """A text from others, such as an answer or an error, without secrets. Ordinary words
        that the request `sent` holds as well are taken for an echo of it and stay."""
        echoed = {word for word in self._words if word in text and word in sent}
        searched = _any_of(self._all_forms - echoed) if echoed else self._all
        return _without_capabilities(searched.sub(REDACTED, self._without_credentials(text)))

    def sent(self, text: str) -> str:
        """A text that we sent, or were given to store, without secrets."""
        text = self._without_credentials(text)
        if any(form in text for form in self._revealing_forms):  # ten times as fast as the pattern
            text = self._revealing.sub(REDACTED, text)
        return _without_capabilities(text)

    def _without_credentials(self, text: str) -> str:
        """The text without secret words after a credential's name, as in `password: incidents`."""
        if not any(word in text for word in self._words):
            return text
        return self._as_credential.sub(lambda found: found[1] + REDACTED, text)

    def request(self, value: Any) -> Any:
        """JSON that we sent, without secrets. A member's name alone hides nothing, but an ordinary
        word that is a secret is hidden in a member with a secret's name."""
        match value:
            case str():
                return self.sent(value)
            case Mapping():
                return {self.sent(str(name)): self._sent(name, value[name]) for name in value}
            case list() | tuple():
                return [self.request(each) for each in value]
        return value

    def _sent(self, name: object, value: Any) -> Any:
        is_it = isinstance(value, str) and value in self._words and is_secret_name(str(name))
        return REDACTED if is_it else self.request(value)

    def value(self, value: Any) -> Any:
        """JSON or headers from others, without secrets and the values of secret names."""
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


def _any_of(forms: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(forms, key=lambda form: (-len(form), form))
    return re.compile("|".join(map(re.escape, longest_first)) or _NOTHING)


def _after_its_name(words: Iterable[str]) -> re.Pattern[str]:
    word = _any_of(words).pattern
    return re.compile(rf"({_NAMED})(?:{word})(?!\w)") if word != _NOTHING else re.compile(_NOTHING)


def _without_capabilities(text: str) -> str:
    """The text without the credentials in URLs, and without links by which anybody may act."""
    if "@" in text:
        text = _USER_INFO.sub(REDACTED, text)
    return _ACTION.sub(rf"\1{REDACTED}", text) if "actions" in text else text


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
    """The spellings of a secret: as it is, and as JSON, HTML, URLs and base64 write it."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield html.escape(secret)
    for encoded in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield from (encoded, _lower_escapes(encoded))
    yield from _base64(secret.encode())


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
