"""Which format an upload has, from its name and its first bytes."""

import re
from pathlib import PurePosixPath

from domain.failures import BadInput

FORMATS = ("csv", "json", "xml")
CONTENT_TYPES = {"csv": "text/csv", "json": "application/json", "xml": "application/xml"}
HEAD_BYTES = 1024  # how much of a file `detect` wants to see

_EXTENSIONS = {"csv": "csv", "txt": "csv", "tsv": "csv", "json": "json", "xml": "xml"}
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_UNSUPPORTED = {
    b"PK\x03\x04": "a ZIP container (XLSX, ODS …)",
    b"\xd0\xcf\x11\xe0": "an old Office document (XLS …)",
    b"%PDF": "a PDF document",
}
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_WEB_PAGE = re.compile(rb"<(!doctype\s+html|html[\s>])", re.IGNORECASE)
_REFUSED_EXTENSIONS = {"xls", "xlsx", "xlsm", "xlsb", "ods", "pdf", "doc", "docx"}


def detect(file_name: str, head: bytes) -> str:
    """The format of a file: csv, json or xml.

    Raises BadInput: `compressed_unsupported`, `format_unsupported`, or `format_mismatch` where
    the name promises one format and the content is plainly another.
    """
    _refuse_by_magic(head)
    extension = PurePosixPath(file_name.lower()).suffix.lstrip(".")
    if extension in _REFUSED_EXTENSIONS:
        detail = f".{extension} files cannot be imported yet; export as CSV, JSON or XML"
        raise BadInput("format_unsupported", detail)
    seen = _looks_like(head)
    promised = _EXTENSIONS.get(extension)
    if promised is None:
        return seen or "csv"
    if promised == "xml" and seen is None and head.strip():
        raise BadInput("format_mismatch", "the name ends in .xml, but the content is no markup")
    if promised != "xml" and _WEB_PAGE.match(_visible(head)):
        detail = "the content is a web page, perhaps the login page in place of the export"
        raise BadInput("format_mismatch", detail)
    if seen is not None and seen != promised:
        detail = f"the name ends in .{extension}, but the content looks like {seen.upper()}"
        raise BadInput("format_mismatch", detail)
    return promised


def _refuse_by_magic(head: bytes) -> None:
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            raise BadInput("compressed_unsupported", f"the file is {name}-compressed; unpack it")
    for magic, name in _UNSUPPORTED.items():
        if head.startswith(magic):
            raise BadInput("format_unsupported", f"the file is {name}; export as CSV, JSON or XML")


def _looks_like(head: bytes) -> str | None:
    text = _visible(head)
    if text.startswith(b"<"):
        return "xml"
    # A bracket alone proves nothing: the header of a CSV file may begin with one.
    return "json" if re.match(rb"[{\[]\s*[\"{\[\]}]", text) else None


def _visible(head: bytes) -> bytes:
    """The first characters without byte order mark, UTF-16's zero bytes and white space."""
    head = head.replace(b"\x00", b"")
    for mark in _MARKS:
        head = head.removeprefix(mark)
    return head.lstrip()
