"""A mail's content on its way to the server, and whether the server may have taken it."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from integrations.email.smtp_waits import Waits

if TYPE_CHECKING:
    from aiosmtplib import SMTPResponse
    from aiosmtplib.protocol import SMTPProtocol

_LEADING_DOT = re.compile(rb"(?m)^\.")
_BLOCK_BYTES = 64 * 2**10


@dataclass
class Transfer:
    """One mail's transfer. `is_whole`: the final dot is on its way, so the server may take the mail
    whatever happens now."""

    protocol: "SMTPProtocol"
    waits: Waits
    is_whole: bool = False

    async def write(self, content: bytes) -> "SMTPResponse":
        """Write the mail, its lines ended by CRLF. Returns the answer, even one before the end.

        Raises SMTPException or OSError if no answer comes.
        """
        # What came together with 354 answers nothing; aiosmtplib would take it for our answer.
        del self.protocol._buffer[:]
        answer = asyncio.create_task(self.protocol.read_response())
        await asyncio.sleep(0)  # it listens from now on
        try:
            async with asyncio.timeout(self.waits.content):
                await self._write(_LEADING_DOT.sub(b"..", content) + b".\r\n", answer)
            async with asyncio.timeout(self.waits.taken):
                return await answer
        except OSError:
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                return answer.result()  # what was said before the connection broke
            raise
        finally:
            answer.cancel()

    async def _write(self, content: bytes, answer: "asyncio.Task[SMTPResponse]") -> None:
        for block, self.is_whole in _blocks(content):
            self.protocol.write(block)
            async with asyncio.timeout(self.waits.block):
                # As StreamWriter.drain() does; but a StreamWriter that is deleted closes its
                # transport.
                await self.protocol._drain_helper()
            if answer.done():
                return


def _blocks(content: bytes) -> Iterator[tuple[bytes, bool]]:
    """The content in blocks, each with whether it is the last one."""
    for start in range(0, len(content), _BLOCK_BYTES):
        end = start + _BLOCK_BYTES
        yield content[start:end], end >= len(content)
