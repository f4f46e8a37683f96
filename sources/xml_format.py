"""ServiceNow's XML: `<unload>` and `<xml>` exports, `<record_update>`, single records.

A field's text is the raw value; the attribute `display_value` (in some releases `name`) is
what users see of a reference. See the vendor's "Exporting XML data".
"""

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl
from lxml import etree

from domain.failures import BadInput, Rejected
from sources.batch import Batch, Limits, Profile
from sources.rows import Row, batches
from sources.xml_blocks import contents
from sources.xml_shapes import SHOWN, Run
from sources.xml_stream import local_name, too_many_attributes


def read_xml(stream: BinaryIO, profile: Profile, table: str, limits: Limits) -> Iterator[Batch]:
    """Read the records of `table`, which may name several tables, separated by spaces.

    Fields become columns, display values `field.display_value`; a field with elements inside
    keeps them as markup. Records of other tables and deleted ones are counted in
    `profile.ignored`. Raises BadInput; any DOCTYPE is refused.
    """
    tables = frozenset(table.split())
    records = _records(contents(stream, tables, profile, limits), tables, profile, limits)
    yield from batches(records, profile, limits, oversize="xml_text_too_large")


def _records(
    found: Iterator[etree._Element | Run],
    tables: frozenset[str],
    profile: Profile,
    limits: Limits,
) -> Iterator[Row | Rejected | pl.DataFrame]:
    row = 0
    ignored = Counter[str]()
    for element in found:
        if isinstance(element, Run):
            row += element.frame.height
            ignored.update(element.ignored)
            yield element.frame
            continue
        name = local_name(element.tag)
        _check_attributes(element, limits)
        if name in tables and element.get("action") != "DELETE":
            row += 1
            yield _record(element, row, limits)
        else:
            ignored[f"{name} (deleted)" if name in tables else name] += 1
    profile.ignored.update(ignored)
    if not row and ignored and not any(name.endswith("(deleted)") for name in ignored):
        wanted = " or ".join(sorted(tables))
        detail = f"the file has no {wanted} records, but {', '.join([*ignored][:10])}"
        raise BadInput("no_records_found", detail)


def _record(element: etree._Element, row: int, limits: Limits) -> Row | Rejected:
    record: Row = {}
    expected = len(element)
    for field in element:
        name = field.tag
        record[name] = field.text or ""
        if field.keys():
            _check_attributes(field, limits)
            if shown := next(filter(None, map(field.get, SHOWN)), None):
                record[f"{name}.display_value"] = shown
                expected += 1
        if len(field):
            record[name] = _markup(field, limits)
    if len(record) == expected:
        return record
    names = [field.tag for field in element]
    twice = next((name for name in names if names.count(name) > 1), None)
    detail = f"the record has {twice or 'a display value'!r} twice"
    return Rejected(row=row, field=twice, code="xml_duplicate_field", detail=detail)


def _check_attributes(element: etree._Element, limits: Limits) -> None:
    count = len(element.keys())
    if count > limits.xml_attributes:
        raise too_many_attributes(element.tag, count, limits, line=element.sourceline)


def _markup(field: etree._Element, limits: Limits) -> str:
    depth = 2 + _depth(field)  # below the root and the record
    if depth > limits.xml_depth:
        detail = f"elements are nested {depth} deep"
        raise BadInput("xml_too_deep", detail, line=field.sourceline, limit=limits.xml_depth)
    for each in field.iter():
        _check_attributes(each, limits)
    inner = (etree.tostring(child, encoding="unicode") for child in field)
    return "".join([field.text or "", *inner])


def _depth(element: etree._Element) -> int:
    return 1 + max(map(_depth, element), default=0)
