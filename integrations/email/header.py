"""Header fields as lines, encoded by ourselves (RFC 5322, RFC 2047). Pure.

Python's email.policy folds text that needs encoding differently in every version from 3.11 on,
and loses or glues blanks (cpython#144156). Here a text is either sent unchanged, or encoded as a
whole, blanks included, since blanks between two encoded words are not part of the text.
"""

import base64
import re
from collections.abc import Iterator

_LINE = 76  # characters of a line with encoded words (RFC 2047 2); other lines are kept as short
_WORD = 75  # characters of an encoded word, at most (RFC 2047 2)
_ENDS = len("=?utf-8?q?" + "?=")
_PLAIN_IN_Q = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+( [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_SPOKEN = re.compile(r"[!-~]+( [!-~]+)*")  # words of ASCII with one blank between


def text_field(name: str, text: str) -> str:
    """A field of free text, without control characters, which arrives exactly as it is."""
    words, room = text.split(" "), _LINE - len(name) - 2
    is_short = len(words[0]) <= room and max(map(len, words)) < _LINE
    if _SPOKEN.fullmatch(text) and "=?" not in text and is_short:
        return _folded(name, words)
    return f"{name}: " + "\r\n ".join(_encoded(text, room))


def address_field(name: str, address: str, shown: str = "") -> str:
    """A field with one mailbox, `shown` being its name. No part of an address is ever encoded."""
    if not shown:
        return f"{name}: {address}"
    words = _phrase(shown, _LINE - len(name) - 2)
    return _folded(name, [*words, f"<{address}>"])


def list_field(name: str, entries: list[str], separator: str = " ") -> str:
    """A field of entries that are never broken: addresses (with ", "), ids."""
    mark = separator.rstrip()
    return _folded(name, [f"{each}{mark}" for each in entries[:-1]] + entries[-1:])


def _folded(name: str, words: list[str]) -> str:
    """The words with a blank between them, on as many lines as needed; unfolding the lines gives
    the same text back."""
    lines = [f"{name}:"]
    for word in words:
        is_first = lines == [f"{name}:"]
        if is_first or len(lines[-1]) + 1 + len(word) <= _LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(f" {word}")
    return "\r\n".join(lines)


def _phrase(text: str, room: int) -> list[str]:
    """A display name: atoms, a quoted string, or encoded words."""
    if _ATOMS.fullmatch(text) and "=?" not in text and len(text) < room:
        return text.split(" ")
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
    if text.isascii() and text.isprintable() and "=?" not in text and len(quoted) < room:
        return [quoted]
    return list(_encoded(text, room))


def _encoded(text: str, room: int) -> Iterator[str]:
    """Encoded words that make up the text, the first of at most `room` characters.

    No character is split over two words. All words use the shorter of the encodings Q and B.
    """
    in_q = sum(map(_q_length, text)) <= len(text.encode()) * 4 / 3
    word, size, limit = "", 0, min(room, _WORD) - _ENDS
    for char in text:
        grown = size + (_q_length(char) if in_q else len(char.encode()))
        if word and (grown if in_q else -(-grown // 3) * 4) > limit:
            yield _word(word, in_q=in_q)
            word, size, limit = "", 0, _WORD - _ENDS
            grown = _q_length(char) if in_q else len(char.encode())
        word, size = word + char, grown
    yield _word(word, in_q=in_q)


def _q_length(char: str) -> int:
    return sum(1 if byte in _PLAIN_IN_Q or byte == 0x20 else 3 for byte in char.encode())


def _word(text: str, *, in_q: bool) -> str:
    if not in_q:
        return f"=?utf-8?b?{base64.b64encode(text.encode()).decode()}?="
    return f"=?utf-8?q?{''.join(map(_q, text.encode()))}?="


def _q(byte: int) -> str:
    """RFC 2047 4.2 with the few characters of 5(3), so that it may stand in a name as well."""
    if byte == 0x20:
        return "_"
    return chr(byte) if byte in _PLAIN_IN_Q else f"={byte:02X}"
