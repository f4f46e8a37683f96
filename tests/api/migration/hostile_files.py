"""Files that must be refused as a whole: name, content, and the problem each one is."""

from collections.abc import Mapping
from typing import Any

Problem = dict[str, Any]
Case = tuple[str, bytes, Problem]

_ATTRIBUTES = " ".join(f'b{number}=""' for number in range(1_001))
_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
_QUADRATIC = f'<!DOCTYPE x [<!ENTITY a "{"x" * 50_000}">]><unload>{"&a;" * 2_000}</unload>'


def _incident(fields: str) -> bytes:
    return f"<unload><incident>{fields}</incident></unload>".encode()


def _doctype(inside: str) -> bytes:
    return f"<!DOCTYPE unload {inside}><unload>&x;</unload>".encode()


def _called(file_name: str, files: Mapping[str, tuple[bytes, Problem]]) -> dict[str, Case]:
    return {name: (file_name, content, problem) for name, (content, problem) in files.items()}


NAMED: dict[str, Case] = {
    "JSON called XML": ("a.xml", b'{"records": []}', {"code": "format_mismatch"}),
    "XML called CSV": ("a.csv", b"<unload/>", {"code": "format_mismatch"}),
    "CSV called XML": ("a.xml", b"number,title\n", {"code": "format_mismatch"}),
    "XLS": ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", {"code": "format_unsupported"}),
    "XLS called CSV": (
        "a.csv",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        {"code": "format_unsupported"},
    ),
    "XLSM": ("a.xlsm", b"PK\x03\x04rest", {"code": "format_unsupported"}),
    "PDF": ("a.pdf", b"%PDF-1.7\n", {"code": "format_unsupported"}),
    "gzip": ("a.csv.gz", b"\x1f\x8b\x08\x00", {"code": "compressed_unsupported"}),
    "gzip called CSV": ("a.csv", b"\x1f\x8b\x08\x00", {"code": "compressed_unsupported"}),
}

XML = _called(
    "export.xml",
    {
        "DOCTYPE": (_doctype(""), {"code": "xml_dtd_forbidden"}),
        "billion laughs": (
            _doctype(f'[<!ENTITY l0 "ha">{_LAUGHS}]'),
            {"code": "xml_dtd_forbidden"},
        ),
        "quadratic": (_QUADRATIC.encode(), {"code": "xml_dtd_forbidden"}),
        "external file": (
            _doctype('[<!ENTITY x SYSTEM "file:///etc/hostname">]'),
            {"code": "xml_dtd_forbidden"},
        ),
        "external DTD": (
            _doctype('SYSTEM "http://127.0.0.1:9/x.dtd"'),
            {"code": "xml_dtd_forbidden"},
        ),
        "DTD in UTF-16": (
            _doctype("").decode().encode("utf-16"),
            {"code": "xml_dtd_forbidden"},
        ),
        "too deep": (_incident("<a>" * 255 + "</a>" * 255), {"code": "xml_too_deep", "line": 1}),
        "11 MB of text": (
            _incident(f"<a>{'x' * 11_000_000}</a>"),
            {"code": "xml_text_too_large", "row": 1},
        ),
        "field over 1 MiB": (
            _incident(f"<number>1</number><a>{'x' * (2**20 + 1)}</a>"),
            {"code": "xml_text_too_large", "row": 1, "column": "a", "limit": 2**20},
        ),
        "1,001 attributes": (
            _incident(f"<a {_ATTRIBUTES}/>"),
            {"code": "xml_too_many_attributes", "limit": 1_000, "actual": 1_001, "line": 1},
        ),
        "truncated": (b"<unload>\n<incident>\n<number>INC", {"code": "xml_truncated", "line": 3}),
        "bad UTF-8": (
            b"<unload>\ncaf\xe9 au lait<incident><a>1</a></incident></unload>",
            {"code": "encoding_invalid", "line": 2},
        ),
        "false UTF-16": (
            b'<?xml version="1.0" encoding="UTF-16"?><unload/>',
            {"code": "encoding_invalid"},
        ),
        "NUL": (b"<unload>\n&#0;<incident/></unload>", {"code": "xml_char_invalid", "line": 2}),
        "tags that do not fit": (
            _incident("\n<a>1</b>"),
            {"code": "xml_malformed", "line": 2, "row": 1},
        ),
        "wrong root": (b"<rss><channel/></rss>", {"code": "no_records_found"}),
        "login page": (b"<html><body>Log in</body></html>", {"code": "no_records_found"}),
    },
)

_JSON_TEXTS: dict[str, tuple[str, Problem]] = {
    "too deep": ("[" * 65 + "]" * 65, {"code": "json_too_deep", "limit": 64}),
    "NaN": ('[\n{"a": NaN}]', {"code": "json_number_invalid", "line": 2, "row": 1}),
    "Infinity": ('[{"a": -Infinity}]', {"code": "json_number_invalid", "offset": 1}),
    "1e999": ('[{"a": 1}, {"a": 1e999}]', {"code": "json_number_invalid", "row": 2}),
    "5,000 digits": (f'[{{"a": {"7" * 5_000}}}]', {"code": "json_number_too_long", "row": 1}),
    "lone surrogate": (r'[{"a": "\ud800"}]', {"code": "json_string_invalid", "row": 1}),
    "truncated": ('{"records": [{"a": "b"},\n{"a"', {"code": "json_truncated", "line": 2}),
    "trailing": ('[{"a": 1}]\nx', {"code": "json_trailing_data", "line": 2, "column": 1}),
    "scalar": ("42", {"code": "no_records_found"}),
    "other object": ('{"incidents": [{"a": 1}]}', {"code": "no_records_found"}),
    "field over 1 MiB": (
        f'[{{"a": "{"x" * (2**20 + 1)}"}}]',
        {"code": "json_field_too_large", "row": 1, "column": "a", "limit": 2**20},
    ),
}
_NO_TEXT = {
    "bad UTF-8": (
        b'[{"a": "b"},\n{"a": "caf\xe9"}]',
        {"code": "encoding_invalid", "line": 2, "offset": 23},
    )
}
JSON = _called(
    "export.json",
    {name: (text.encode(), problem) for name, (text, problem) in _JSON_TEXTS.items()} | _NO_TEXT,
)

CSV = _called(
    "export.csv",
    {
        "unclosed quote": (
            b'number,title\n1,a\n2,"b\n3,c\n',
            {"code": "csv_unclosed_quote", "line": 3, "row": 2},
        ),
        "text after a quote": (
            b'number,title\n1,a\n2,"x"y\n',
            {"code": "csv_malformed_quote", "line": 3, "row": 2},
        ),
        "field over 1 MiB": (
            b"number,title\n1,a\n2," + b"x" * (2**20 + 1) + b"\n",
            {
                "code": "csv_field_too_large",
                "row": 2,
                "column": "title",
                "limit": 2**20,
                "actual": 2**20 + 1,
            },
        ),
        "header twice": (
            b"number,title,number\n1,a,b\n",
            {"code": "csv_duplicate_header", "column": "number"},
        ),
        "blank header": (b",,\n1,a,b\n", {"code": "csv_header_invalid", "column": 1}),
        "2,001 columns": (
            ",".join(f"c{n}" for n in range(2_001)).encode() + b"\n",
            {"code": "too_many_columns", "limit": 2_000, "actual": 2_001},
        ),
        "undecodable": (
            b"number,title\n1,caf\xe9\n2,\x81\n",
            {"code": "encoding_invalid", "offset": 18, "line": 2},
        ),
        "cut UTF-16": (
            "number,title\n".encode("utf-16") + b"\x00",
            {"code": "encoding_invalid"},
        ),
        "white space only": (b"\n\n", {"code": "file_empty"}),
    },
)
