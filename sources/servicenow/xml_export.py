"""ServiceNow's XML: `<unload>` and `<xml>` exports, `<record_update>`, single records.

A field's text is the raw value; the attribute `display_value` (in some releases `name`) is
what users see of a reference. See the vendor's "Exporting XML data".
"""

from collections.abc import Iterator
from typing import BinaryIO

import polars as pl
from lxml import etree

from domain.failures import BadInput, Rejected
from sources.readers.chunk import Chunk, Limits, Profile
from sources.readers.rows import Row, chunks
from sources.readers.xml.blocks import Content, contents
from sources.readers.xml.defects import Broken, Stuck
from sources.readers.xml.shapes import SHOWN, Run, is_deletion
from sources.readers.xml.stream import local_name, too_many_attributes
from sources.servicenow.seen import IDENTITY, Seen
from sources.servicenow.tables import Others, others_alone

_DELETED = " (deleted)"


def read_xml(stream: BinaryIO, profile: Profile, table: str, limits: Limits) -> Iterator[Chunk]:
    """Read the records of `table`, which may name several tables, separated by spaces.

    Fields become columns, display values `field.display_value`; a field with elements inside
    keeps them as markup. Records of other tables and deleted ones are left out and counted in
    `profile.ignored`. Raises BadInput, for any DOCTYPE too.
    """
    tables = frozenset(table.split())
    records = _Records(tables, profile, limits).of(contents(stream, tables, profile, limits))
    yield from chunks(records, profile, limits, oversize="xml_text_too_large")


class _Records:
    """Reads the records of the wanted tables from the elements of a file, and counts the others."""

    def __init__(self, tables: frozenset[str], profile: Profile, limits: Limits) -> None:
        self._tables, self._profile, self._limits = tables, profile, limits
        self._row = 0
        self._ignored = Others()
        self._seen = Seen()

    def of(self, found: Iterator[Content]) -> Iterator[Row | Rejected | pl.DataFrame]:
        for element in found:
            if isinstance(element, Run):
                self._row += element.frame.height
                for name, count in element.ignored.items():
                    self._ignored.add(name, count)
                self._seen.add_all(element.frame)
                yield element.frame
            elif isinstance(element, Broken):
                yield from self._broken(element)
            elif isinstance(element, Stuck):
                raise self._refusal(element)
            else:
                yield from self._single(element)
        self._profile.ignored.update(self._ignored)
        has_deleted = any(name.endswith(_DELETED) for name in self._ignored)
        if not self._row and self._ignored and not has_deleted:
            raise others_alone(self._tables, self._ignored)

    def _single(self, element: etree._Element) -> Iterator[Row | Rejected]:
        _check_attributes(element, self._limits)
        if not self._leaves_out(element):
            self._row += 1
            self._seen.add(element.findtext(IDENTITY))
            yield _record(element, self._row, self._limits)

    def _leaves_out(self, element: etree._Element) -> bool:
        """Whether the record is of another table, or is deleted; if so, it is counted."""
        name = local_name(element.tag)
        if name not in self._tables:
            self._ignored.add(name)
        elif is_deletion(element):
            self._ignored[name + _DELETED] += 1
            self._check_deletion(element)
        else:
            return False
        return True

    def _broken(self, broken: Broken) -> Iterator[Rejected]:
        if self._leaves_out(broken.record):
            return
        self._row += 1
        first, *more = broken.defects
        if first.code == "xml_text_too_large":
            detail = f"in field {first.field!r}: {first.detail}"
            raise BadInput(first.code, detail, row=self._row, line=broken.line)
        rest = f", and {len(more)} more such places" if more else ""
        yield Rejected(
            row=self._row,
            code=first.code,
            field=first.field,
            detail=f"{first.detail} (line {broken.line}{rest})",
            value=first.value,
        )

    def _refusal(self, stuck: Stuck) -> BadInput:
        """The refusal of the file, with the number or the table of the record where it broke."""
        problem = stuck.problem.model_dump(exclude_none=True)
        if stuck.tag in self._tables:
            problem["row"] = self._row + 1
        elif stuck.tag:
            problem["detail"] = f"in a record of {stuck.tag}: {problem['detail']}"
        return BadInput(**problem)

    def _check_deletion(self, element: etree._Element) -> None:
        """Raises BadInput if the file deletes a record that was read before: it should not be
        imported then, but its chunk may be stored already."""
        deleted = element.findtext(IDENTITY)
        if deleted and deleted in self._seen:
            what = f"the record with {IDENTITY} {deleted}"
        elif element.get("query") is not None and self._row:
            what = f"all that matches {element.get('query')!r}, perhaps records that came before"
        else:
            return
        detail = f"after record {self._row} the file deletes {what}; remove them from the file"
        raise BadInput("record_deleted", detail, row=self._row)


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
