"""Tells the secret parts of a secret from its ordinary words. Pure.

A webhook's URL is kept secret as a whole, as it may hold a token; but its path is mostly words, and
`/api/incidents` does not make "incidents" a secret. The secret parts of a URL are those that stand
where secrets stand (a query's `sig`, a password before the host, the three last parts of a Slack
webhook's path), and those that look random.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote, urlsplit

SHORTEST = 4  # characters; shorter values would be found in any text, so they are not hidden

# Names are compared in snake case, into which `is_secret_name` brings them. They are those of
# Sentry's DEFAULT_DENYLIST (sentry_sdk/scrubber.py), and our vendors' own.
_SECRET_NAME = re.compile(
    r"(^|_)(authorization|password|passwd|pwd|passphrase|secrets?|cookies?|credentials?|csrf"
    r"|session_?id|jwt|bearer)(_|$)"
    r"|(^|_)(tokens?|xsrf|webhook_?url|dsn|auth"
    r"|(api|access|secret|private|signing|routing|integration|service|genie|encryption)_?key)$"
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

# Names of secrets in a URL's query, though not elsewhere: Azure's `code`, Google's `key`, `sig`.
_SECRET_PARAMETER = re.compile(r"(?i)sig|signature|code|key|k|hash|hmac|sid|pass|t")
_SLACK = re.compile(r"/services/([^/]+)/([^/]+)/([^/]+)")

_PIECES = re.compile(r"[-_.~ ]+|%[0-9A-Fa-f]{2}")
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")  # the words of a piece in camel case
_UNSPEAKABLE = re.compile(r"(?i)[bcdfghjklmnpqrstvwxz]{5}")
_SWITCH = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")

_LONG_WORD, _LONG_TEXT, _LONG_PART = 20, 12, 16  # characters
_NUMBER, _YEAR = 8, 4  # most digits of an ordinary number, alone and after a word
_GLUED = 8  # characters; a word and a number in one piece are ordinary if shorter


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a member or header of that name holds a secret."""
    return _SECRET_NAME.search(_WORD_START.sub("_", name).lower()) is not None


def secrets_in(secret: str) -> Iterator[str]:
    """The texts to hide for a secret: all of it, and if it is a URL, its secret parts too."""
    if len(secret) < SHORTEST:
        return
    yield secret
    if "://" in secret:
        yield from (part for part in _parts(secret) if len(part) >= SHORTEST)


def is_ordinary(secret: str) -> bool:
    """Whether any text may hold this secret by chance, so that its presence gives nothing away: it
    is a few words or numbers, or a URL without a secret part."""
    if "://" in secret:
        return not any(True for _ in _parts(secret))
    if looks_random(secret):
        return False
    longest = _LONG_WORD if secret.isalpha() else _LONG_TEXT
    return len(secret) < longest and all(map(_is_common, _PIECES.split(secret)))


def looks_random(text: str) -> bool:
    """Whether the text looks generated, not written by people: a key, a hash, an id in base64."""
    pieces = [piece for piece in _PIECES.split(text) if piece]
    if any(len(piece) >= 8 and len(_SWITCH.findall(piece)) >= 3 for piece in pieces):
        return True
    if len(text) < _LONG_PART or text.isdecimal():
        return len(text) >= _LONG_WORD
    return not all(map(_is_wordlike, pieces)) or any(map(_UNSPEAKABLE.search, pieces))


def _is_common(piece: str) -> bool:
    """Whether the piece is a word, a number, or a short mix of both: `web01`, not `Sommer2024`."""
    glued = not piece.isalpha() and not piece.isdecimal()
    return _is_wordlike(piece) and (not glued or len(piece) < _GLUED)


def _is_wordlike(piece: str) -> bool:
    """Whether the piece is a number, or words in camel case that a number may follow."""
    if piece.isdecimal():
        return len(piece) <= _NUMBER
    word = piece.rstrip("0123456789")
    tokens = _TOKEN.findall(word)
    if len(piece) - len(word) > _YEAR or not word.isalpha():
        return not piece
    usual = 4 if len(piece) >= _LONG_PART else 3  # letters of a word in camel case
    return len(word) < _LONG_WORD if len(tokens) <= 1 else usual * len(tokens) <= len(word)


def _parts(secret: str) -> Iterator[str]:
    """The secret parts of a URL: credentials, values in a secret's place, and what looks random."""
    try:
        url = urlsplit(secret)
    except ValueError:
        return
    user, _, password = url.netloc.rpartition("@")[0].partition(":")
    yield from filter(looks_random, (user, *url.path.split("/"), url.fragment))
    yield from {password, unquote(password)} - {""}
    if slack := _SLACK.search(url.path):
        yield from slack.groups()
    for parameter in url.query.split("&"):
        name, _, value = parameter.partition("=")
        if value and (is_secret_name(name) or _SECRET_PARAMETER.fullmatch(name)):
            yield from {value, unquote(value)}
        elif looks_random(value or name):
            yield value or name
