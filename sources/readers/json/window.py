"""A moving window over a stream, as text in UTF-8 or the encoding that its first bytes show."""

import codecs
import re
from typing import BinaryIO

from domain.failures import BadInput

READ_BYTES = 2**18

# JSON begins with ASCII, so that zeros tell how wide a character is (RFC 4627 section 3); Windows
# PowerShell's `>` writes UTF-16 with a mark.
_WIDE = (
    (re.compile(rb"\xff\xfe\0\0|[^\0]\0\0\0", re.DOTALL), "utf-32-le"),
    (re.compile(rb"\0\0\xfe\xff|\0\0\0[^\0]", re.DOTALL), "utf-32-be"),
    (re.compile(rb"\xff\xfe|[^\0]\0", re.DOTALL), "utf-16-le"),
    (re.compile(rb"\xfe\xff|\0[^\0]", re.DOTALL), "utf-16-be"),
)


class TextWindow:
    """`text[at:]` is what has been read from the stream and not yet been used.

    `ended` says that the stream holds nothing after `text`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.text, self.at, self.ended = "", 0, False
        self._stream = stream
        head = stream.read(4)
        self.encoding = next((name for wide, name in _WIDE if wide.match(head)), "utf-8")
        self._decoder = codecs.getincrementaldecoder(self.encoding)()
        self._read = 0
        self._line, self._column, self._offset = 1, 1, 0  # where `text` begins
        self.text = self._decode(head + stream.read(READ_BYTES)) if head else ""

    def grow(self) -> None:
        """Drop what has been used and read at least as much as is left.

        Doubling keeps the work linear where a long value is tried again after each growth.
        Raises BadInput `encoding_invalid` with the line and the byte offset, and `json_truncated`
        where the file ends inside a character.
        """
        self._drop_used()
        piece = self._stream.read(max(READ_BYTES, len(self.text)))
        self.ended = not piece
        self.text += self._decode(piece)

    def place(self, at: int) -> dict[str, int]:
        """Line and column (in characters) from 1 and byte offset from 0 of `text[at]`."""
        before = self.text[:at]
        lines = before.count("\n")
        return {
            "line": self._line + lines,
            "column": at - before.rfind("\n") if lines else self._column + at,
            "offset": self._offset + len(before.encode(self.encoding)),
        }

    def _drop_used(self) -> None:
        place = self.place(self.at)
        self._line, self._column, self._offset = place["line"], place["column"], place["offset"]
        self.text, self.at = self.text[self.at :], 0

    def _decode(self, piece: bytes) -> str:
        unfinished, _ = self._decoder.getstate()
        if not piece and unfinished:
            place = self.place(len(self.text))
            raise BadInput("json_truncated", "the file ends inside a character", **place)
        try:
            decoded = self._decoder.decode(piece)
        except UnicodeDecodeError as error:
            offset = self._read - len(unfinished) + error.start
            line = self.place(len(self.text))["line"] + error.object.count(b"\n", 0, error.start)
            detail = (
                f"byte {error.object[error.start]:#04x} is not {self.encoding.upper()}; "
                "save the file as UTF-8"
            )
            raise BadInput("encoding_invalid", detail, line=line, offset=offset) from None
        self._read += len(piece)
        return decoded
