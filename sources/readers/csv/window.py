"""A moving window over a text file, cut only at the ends of records or lines."""

import re
from collections.abc import Callable, Iterator

Open = Callable[[], Iterator[bytes]]

_LINE = re.compile(rb"[^\r\n]*(?:\r\n?|\n)?")


class Window:
    """The bytes `buffer[start:]` are read, but not yet consumed; `ended`: no others follow them."""

    def __init__(self, open_blocks: Open) -> None:
        self._open_blocks = open_blocks
        self._blocks = open_blocks()
        self._dropped = 0
        self.buffer = b""
        self.start = 0
        self.ended = False

    @property
    def position(self) -> int:
        """How many bytes have been consumed."""
        return self._dropped + self.start

    @property
    def unread(self) -> int:
        """How many bytes are in the window."""
        return len(self.buffer) - self.start

    def fill(self, size: int) -> None:
        """Read on until `size` bytes are in the window or the file has ended."""
        blocks = [self.buffer[self.start :]]
        have = len(blocks[0])
        while have < size and not self.ended:
            block = next(self._blocks, None)
            if block is None:
                self.ended = True
            else:
                blocks.append(block)
                have += len(block)
        self._dropped += self.start
        self.buffer, self.start = b"".join(blocks), 0

    def line(self, limit: int) -> bytes:
        """Consume one line with its end (LF, CR LF or CR); empty at the end of the file.

        A line longer than `limit` bytes comes in parts, the first of them longer than `limit`.
        """
        while True:
            end = self._line_end()
            # The end of the buffer proves nothing: the LF of a CR LF may come with the next block.
            if end < len(self.buffer) or self.ended or end - self.start > limit:
                line = self.buffer[self.start : end]
                self.start = end
                return line
            self.fill(self.unread + 1)

    def line_number(self, position: int) -> int:
        """The line, from 1, of the byte at this position. Reads the file again, as only errors need
        it: counting along would cost a quarter of the time of reading."""
        number, last, left = 1, b"", position
        for block in self._open_blocks():
            part = block[:left]
            number += part.count(b"\n") + part.count(b"\r") - part.count(b"\r\n")
            number -= last == b"\r" and part.startswith(b"\n")
            last, left = part[-1:], left - len(part)
            if not left:
                break
        return number

    def _line_end(self) -> int:
        match = _LINE.match(self.buffer, self.start)
        return match.end() if match else self.start
