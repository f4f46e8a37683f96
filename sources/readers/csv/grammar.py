"""RFC 4180 as a regular expression: which records mean the same to every CSV reader."""

import re

from sources.readers.encoding import BAD

# A byte order mark at the start of a line may be that of a file that was appended to another.
_MARKS = tuple(f"{end}\ufeff".encode() for end in "\r\n")
_QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'


class Grammar:
    """What a regular record of `width` fields looks like.

    A quoted field opens at its start, closes before a delimiter or the line's end and doubles
    the quotes inside; an unquoted one has no quote at all; the line ends with LF or CR LF.
    A record that does not match is not thereby wrong: it is left to the strict reader.
    The expression is possessive throughout, so it takes linear time (measured: 455 MB/s with 22
    quoted fields).
    """

    def __init__(self, delimiter: str, width: int) -> None:
        mark = re.escape(delimiter)
        # An empty line is no record, not even where there is only one field.
        unquoted = rf'[^"{mark}\r\n]{"++" if width == 1 else "*+"}'
        value = rf"(?:{_QUOTED}|{unquoted})"
        record = rf"{value}(?:{mark}{value}){{{width - 1}}}\r?\n"
        self._regular = re.compile(rf"(?:{record})*+".encode())
        self._field = re.compile(rf"(?:^|{mark})({_QUOTED}|[^{mark}]*)")

    def regular_end(self, text: bytes, start: int, damaged: bool = False) -> int:
        """Where the run of regular records that begins at `start` ends; `start` if there is none.

        A record with a NUL is not regular: PostgreSQL cannot store it. Nor is, in a `damaged`
        file, a record with bytes that are not valid in the encoding.
        """
        odd = [b"\0"]
        if not text.isascii():  # testing that takes a twentieth of the time of the searches
            odd += [*_MARKS, BAD.encode()] if damaged else _MARKS
        found = [place for each in odd if (place := text.find(each, start)) >= 0]
        match = self._regular.match(text, start, min(found, default=len(text) - 1) + 1)
        return match.end() if match else start

    def is_backslash_escaped(self, record: str) -> bool:
        r"""Whether the record writes a quote as `\"`, which shifts its columns.

        `"say \", again",2` reads as a field that ends in a backslash and one with a stray quote;
        either alone is sound (a Windows path, a size in inches), both together never are.
        """
        escaped = False
        for value in self._field.findall(record):
            if value.startswith('"'):
                escaped = escaped or value.endswith('\\"')
            elif escaped and '"' in value:
                return True
        return False


def opening_quote(record: str) -> int:
    """The position of the quote that an unfinished record opens and does not close."""
    match = re.match(rf'(?:[^"]*+{_QUOTED})*+[^"]*+"', record)
    return match.end() - 1 if match else 0
