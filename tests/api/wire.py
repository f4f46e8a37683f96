"""HTTP/1.1 by hand, for requests that well-behaved clients never send."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

BOUNDARY = "edge"
FIELDS = {"sourceSystem": "generic_csv", "entityType": "incident"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


def field(name: str, value: str | bytes) -> bytes:
    """One text part of a form."""
    text = value if isinstance(value, bytes) else value.encode()
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + text + b"\r\n"


def file(content: bytes, name: str | bytes = "incidents.csv") -> bytes:
    """The file's part of a form, up to and without the boundary after it."""
    text = name if isinstance(name, bytes) else name.encode()
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="'
    return head.encode() + text + b'"\r\n\r\n' + content


def form(*parts: bytes, **fields: str) -> bytes:
    """A whole form: the usual fields first, then the parts."""
    usual = b"".join(field(name, value) for name, value in (FIELDS | fields).items())
    return usual + b"".join(parts) + END


def file_first(content: bytes, name: str = "incidents.csv", **fields: str) -> bytes:
    """A whole form: the file, then the usual fields and others."""
    usual = b"".join(field(name, value) for name, value in (FIELDS | fields).items())
    return file(content, name) + b"\r\n" + usual.removesuffix(b"\r\n") + END


END = f"\r\n--{BOUNDARY}--\r\n".encode()


class Wire:
    """One connection to the API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def begin(self, key: str | None, length: int | None, **headers: str) -> None:
        """Send the head of an upload; without a length its body comes in chunks."""
        lines = [
            "POST /v1/migration/upload HTTP/1.1",
            "Host: api",
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
            "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}",
            *([f"Authorization: Bearer {key}"] if key else []),
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        await self.send("\r\n".join([*lines, "", ""]).encode())

    async def send(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def chunk(self, content: bytes) -> None:
        """One chunk of a chunked body; an empty one ends it."""
        await self.send(f"{len(content):x}\r\n".encode() + content + b"\r\n")

    async def answer(self) -> Answer:
        async with asyncio.timeout(30):
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *rest = head.decode().strip().split("\r\n")
            headers = {name.lower(): value for name, value in (x.split(": ", 1) for x in rest)}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(first.split()[1]), headers, json.loads(body) if body else None)

    def break_off(self) -> None:
        """Vanish without a word, as a client that crashes does."""
        self._writer.transport.abort()
