"""What is secret in what somebody calls a secret, and what is only a word. Pure.

A webhook's URL is kept secret as a whole, as it may hold a token; but its path is mostly words, and
`/api/incidents` makes no secret of "incidents". Secret is what has a secret's place (a query's
`sig`, a password before the host, the parts of Slack's webhooks), and what looks made at random.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote, urlsplit

SHORTEST = 4  # shorter values are no secrets, and would be found everywhere

# Names as `_snake` writes them. After Sentry's DEFAULT_DENYLIST (sentry_sdk/scrubber.py), with
# what our vendors call theirs.
_SECRET_NAME = re.compile(
    r"(^|_)(authorization|password|passwd|pwd|passphrase|secrets?|cookies?|credentials?|csrf"
    r"|session_?id|jwt|bearer)(_|$)"
    r"|(^|_)(tokens?|xsrf|webhook_?url|dsn|auth"
    r"|(api|access|secret|private|signing|routing|integration|service|genie|encryption)_?key)$"
)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

# Of queries and paths, where they mean less elsewhere: Azure's `code`, Google's `key`, `sig`.
_SECRET_PARAMETER = re.compile(r"(?i)sig|signature|code|key|k|hash|hmac|sid|pass|t")
_SLACK = re.compile(r"/services/([^/]+)/([^/]+)/([^/]+)")

_PIECES = re.compile(r"[-_.~ ]+|%[0-9A-Fa-f]{2}")
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")  # of a piece in camel case
_UNSPEAKABLE = re.compile(r"(?i)[bcdfghjklmnpqrstvwxz]{5}")
_SWITCH = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")

_LONG_WORD, _LONG_TEXT, _LONG_PART = 20, 12, 16  # characters
_NUMBER, _YEAR = 8, 4  # digits of a number, and of one after a word
_GLUED = 8  # characters of both


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a member or header of that name holds a secret."""
    return _SECRET_NAME.search(_WORD_START.sub("_", name).lower()) is not None


def secrets_in(secret: str) -> Iterator[str]:
    """What is to be hidden of a secret: all of it, and if it is a URL, its secret parts too."""
    if len(secret) < SHORTEST:
        return
    yield secret
    if "://" in secret:
        yield from (part for part in _parts(secret) if len(part) >= SHORTEST)


def is_ordinary(secret: str) -> bool:
    """Whether ordinary text may hold it by chance, so that it gives nothing away: a word, a number,
    a few of them; a URL without any secret part."""
    if "://" in secret:
        return not any(True for _ in _parts(secret))
    if looks_random(secret):
        return False
    longest = _LONG_WORD if secret.isalpha() else _LONG_TEXT
    return len(secret) < longest and all(map(_is_common, _PIECES.split(secret)))


def looks_random(text: str) -> bool:
    """Whether no person would have written it: a key, a hash, an id in base64 or in hex."""
    pieces = [piece for piece in _PIECES.split(text) if piece]
    if any(len(piece) >= 8 and len(_SWITCH.findall(piece)) >= 3 for piece in pieces):
        return True
    if len(text) < _LONG_PART or text.isdecimal():
        return len(text) >= _LONG_WORD
    return not all(map(_is_wordlike, pieces)) or any(map(_UNSPEAKABLE.search, pieces))


def _is_common(piece: str) -> bool:
    """A word or a number; both together, as in `Sommer2024`, only where it is short: `web01`."""
    glued = not piece.isalpha() and not piece.isdecimal()
    return _is_wordlike(piece) and (not glued or len(piece) < _GLUED)


def _is_wordlike(piece: str) -> bool:
    """Words in camel case, perhaps with a number after them; or a number."""
    if piece.isdecimal():
        return len(piece) <= _NUMBER
    word = piece.rstrip("0123456789")
    tokens = _TOKEN.findall(word)
    if len(piece) - len(word) > _YEAR or not word.isalpha():
        return not piece
    usual = 4 if len(piece) >= _LONG_PART else 3  # letters of a word in camel case
    return len(word) < _LONG_WORD if len(tokens) <= 1 else usual * len(tokens) <= len(word)


def _parts(secret: str) -> Iterator[str]:
    """The credentials of a URL, what has a secret's place in it, and what looks like one."""
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
