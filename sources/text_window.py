"""The part of a UTF-8 stream that is being read, as text."""

import codecs
from typing import BinaryIO

from domain.failures import BadInput

READ_BYTES = 2**18


class TextWindow:
    """`text[at:]` is what has been read from the stream and not yet been used.

    `ended` says that the stream holds nothing after `text`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.text, self.at, self.ended = "", 0, False
        self._stream = stream
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._read = 0
        self._line, self._column, self._offset = 1, 1, 0  # where `text` begins

    def grow(self) -> None:
        """Drop what has been used and read at least as much as is left.

        Doubling keeps the work linear where a long value is tried again after each growth.
        Raises BadInput `encoding_invalid` with the line and the byte offset.
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
            "offset": self._offset + len(before.encode()),
        }

    def _drop_used(self) -> None:
        place = self.place(self.at)
        self._line, self._column, self._offset = place["line"], place["column"], place["offset"]
        self.text, self.at = self.text[self.at :], 0

    def _decode(self, piece: bytes) -> str:
        unfinished, _ = self._utf8.getstate()
        if not piece and unfinished:
            return "\ufffd"  # the file was cut inside a character
        try:
            decoded = self._utf8.decode(piece)
        except UnicodeDecodeError as error:
            offset = self._read - len(unfinished) + error.start
            line = self.place(len(self.text))["line"] + error.object.count(b"\n", 0, error.start)
            detail = f"byte {error.object[error.start]:#04x} is not UTF-8"
            raise BadInput("encoding_invalid", detail, line=line, offset=offset) from None
        self._read += len(piece)
        return decoded
