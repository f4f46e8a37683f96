"""A multipart/form-data body read as a stream: small fields, and among them one file.

FastAPI's UploadFile would spool the whole body to disk before the handler runs, and so before the
API key is checked. Here not a byte of the file is read until the handler asks for it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from domain.failures import BadInput

if TYPE_CHECKING:  # the library defines this type for type checkers only
    from python_multipart.multipart import MultipartCallbacks

_FIELD_BYTES = 64 * 2**10
_PARTS = 20
_SLOW_SECONDS = 60
_SLOW_BYTES = 60 * 2**10  # less than 1 KiB/s over a minute


@dataclass(slots=True)
class _Part:
    """One event of the parser. `kind` is `begin`, `data` or `end` of a part of the form.

    `name`, `file_name` and `charset` are set at `begin`, `data` is set at `data`.
    """

    kind: str
    data: bytes = b""
    name: str = ""
    file_name: str | None = None
    charset: str | None = None


class Form:
    """Read `fields()` first, then `file()`, then `later()`; each can be read once.

    `file_name` and `charset` come from the headers of the file's part. They are set once `fields()`
    has returned; `charset` is None if the part names none.
    """

    def __init__(self, request: Request, max_bytes: int) -> None:
        _, options = parse_options_header(request.headers.get("content-type"))
        boundary = options.get(b"boundary")
        if not boundary:
            raise BadInput("multipart_invalid", "the body must be multipart/form-data")
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > max_bytes:
            raise _too_large(max_bytes, int(declared))
        self._max_bytes = max_bytes
        self._parts = _parts(request, boundary, max_bytes)
        self.file_name: str | None = None
        self.charset: str | None = None
        self._count = 0

    async def fields(self) -> dict[str, str]:
        """The text fields before the file, by name. Raises BadInput if no file follows them."""
        values: dict[str, str] = {}
        file = await self._read_into(values)
        if file is None:
            raise BadInput("file_missing", "the form has no file; its part must be named 'file'")
        self.file_name, self.charset = file.file_name or "upload", file.charset
        return values

    async def file(self) -> AsyncIterator[bytes]:
        """The file's bytes in pieces. Raises BadInput if the body ends before the file does."""
        async for part in self._parts:
            if part.kind == "end":
                return
            yield part.data
        raise BadInput("multipart_invalid", "the body ends in the middle of the file")

    async def later(self, values: dict[str, str]) -> None:
        """Add the text fields after the file to `values`. Raises BadInput for a second file."""
        if await self._read_into(values) is not None:
            raise BadInput("multipart_invalid", "the form has a second file; upload one at a time")

    async def _read_into(self, values: dict[str, str]) -> _Part | None:
        """Add the fields up to the next file or the end of the body; return the file's first event,
        or None at the end of the body. Raises BadInput for a field that is malformed or repeated.
        """
        name, value, is_open = "", b"", False
        async for part in self._parts:
            is_open = part.kind != "end"
            if part.kind == "begin":
                self._count += 1
                if self._count > _PARTS:
                    raise BadInput("too_many_parts", "the form has too many parts", limit=_PARTS)
                if part.file_name is not None or part.name == "file":
                    return part
                name, value = part.name, b""
            elif part.kind == "data":
                value += part.data
                if len(value) > _FIELD_BYTES:
                    detail = f"the field {name!r} is too long"
                    raise BadInput("form_field_too_large", detail, limit=_FIELD_BYTES)
            elif name in values:
                raise BadInput("multipart_invalid", f"the form has the field {name!r} twice")
            else:
                values[name] = _text(name, value)
        if is_open:
            detail = f"the body ends in the middle of the field {name!r}"
            raise BadInput("multipart_invalid", detail)
        return None


async def _parts(request: Request, boundary: bytes, max_bytes: int) -> AsyncIterator[_Part]:
    """The parser's events, as the body arrives. Raises BadInput if the body is malformed, longer
    than `max_bytes` or too slow."""
    seen: list[_Part] = []
    parser = MultipartParser(boundary, _callbacks(seen))
    received = 0
    async for chunk in _not_too_slow(request.stream()):
        received += len(chunk)
        if received > max_bytes:
            raise _too_large(max_bytes, received)
        try:
            parser.write(chunk)
        except MultipartParseError as error:
            raise BadInput("multipart_invalid", str(error)) from error
        for part in seen:
            yield part
        seen.clear()


def _callbacks(seen: list[_Part]) -> "MultipartCallbacks":
    """Callbacks for the parser that append its events to `seen`."""
    header: list[bytes] = [b"", b""]
    headers: dict[bytes, bytes] = {}

    def field(data: bytes, start: int, end: int) -> None:
        header[0] += data[start:end]

    def value(data: bytes, start: int, end: int) -> None:
        header[1] += data[start:end]

    def header_end() -> None:
        headers[header[0].lower()] = header[1]
        header[:] = [b"", b""]

    def begin() -> None:
        _, about = parse_options_header(headers.get(b"content-disposition"))
        _, kind = parse_options_header(headers.get(b"content-type"))
        seen.append(
            _Part(
                "begin",
                name=_option(about, b"name") or "",
                file_name=_option(about, b"filename"),
                charset=_option(kind, b"charset"),
            )
        )

    return {
        "on_part_begin": headers.clear,
        "on_header_field": field,
        "on_header_value": value,
        "on_header_end": header_end,
        "on_headers_finished": begin,
        "on_part_data": lambda data, start, end: seen.append(_Part("data", data[start:end])),
        "on_part_end": lambda: seen.append(_Part("end")),
    }


async def _not_too_slow(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream unchanged. Raises BadInput if a minute of waiting for it brings less than 60 KiB.

    Only time spent waiting for the client counts, not time spent storing what it sent.
    """
    now = asyncio.get_running_loop().time
    waited, received = 0.0, 0
    while True:
        asked = now()
        try:
            chunk = await asyncio.wait_for(anext(stream), _SLOW_SECONDS)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _too_slow() from None
        waited, received = waited + now() - asked, received + len(chunk)
        if waited > _SLOW_SECONDS:
            if received < _SLOW_BYTES:
                raise _too_slow()
            waited, received = 0.0, 0
        yield chunk


def _option(options: dict[bytes, bytes], name: bytes) -> str | None:
    value = options.get(name)
    return None if value is None else value.decode("utf-8", "replace")


def _text(name: str, value: bytes) -> str:
    """The value of a field. Raises BadInput if it is not UTF-8 or cannot be stored."""
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        detail = f"the field {name!r} is not UTF-8"
        raise BadInput("encoding_invalid", detail, offset=error.start) from error
    if "\0" in text:
        detail = f"the field {name!r} holds the character U+0000, which cannot be stored"
        raise BadInput("value_not_storable", detail)
    return text


def _too_slow() -> BadInput:
    return BadInput("upload_too_slow", "less than 1 KiB/s arrived for a minute")


def _too_large(limit: int, actual: int) -> BadInput:
    return BadInput("file_too_large", "the upload is too large", limit=limit, actual=actual)
