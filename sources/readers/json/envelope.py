"""What stands around the records of a JSON file: arrays, envelopes, pages, one record a line.

Shapes seen: `{"records": […]}` (ServiceNow's export), `{"result": […]}` or `{"result": {…}}` (its
Table API), the bare array; several of these one after another, as pages are saved; and one object a
line (NDJSON, as Airbyte, Singer and `jq -c` write it).
"""

from collections.abc import Iterator
from typing import Any

from domain.failures import BadInput
from domain.json_document import Json
from sources.readers.chunk import Limits, Profile
from sources.readers.json.sender import failure_of
from sources.readers.json.text import JsonText

RECORDS = ("records", "result")
_MOST_FAILURES = 10  # different failures that warnings name
_OF_TICKETS = {"number", "sys_id"}  # an object with one of these is a ticket, not a failure


class Envelopes:
    """Reads the values of a file one after another, and yields the records in them.

    A failure that the sender reports becomes a warning in the profile, or part of the refusal of a
    file without records.
    """

    def __init__(self, text: JsonText, profile: Profile, limits: Limits) -> None:
        self._text, self._profile, self._limits = text, profile, limits
        self._failures = list[str]()

    def runs(self) -> Iterator[list[Any]]:
        """The records, many at once where they are regular; `text.row` is the last one's number."""
        kind = self._text.begin()
        if not kind:
            raise self._text.error("file_empty", "the file is empty")
        if kind not in "[{":
            self._text.value()
            raise self._none("the file is a single JSON value, not records")
        is_first = True
        while kind in ("[", "{"):
            yield from self._text.elements() if kind == "[" else self._object(is_first)
            kind, is_first = self._text.begin(), False
        self._text.end()
        if self._failures and not self._text.row:
            raise self._none("the file holds no records")

    def _object(self, is_first: bool) -> Iterator[list[Any]]:
        """The records of an envelope, or of lines that hold one record each."""
        others: Json = {}
        found, repeated, size = False, None, 0
        for key in self._text.members():
            kind = self._text.peek()
            if key in RECORDS and kind in ("[", "{"):
                found = True
                yield from self._text.elements() if kind == "[" else self._single()
                continue
            value = self._text.value()
            size += len(str(value))
            repeated = repeated or self._text.repeated or (key if key in others else None)
            others[key] = value if size <= self._limits.record_bytes else None
        if not self._note_failure(others, found) and not found:
            self._check_line(others, is_first)
            self._text.repeated = repeated
            yield from self._lines(others)

    def _single(self) -> Iterator[list[Any]]:
        value = self._text.value()
        if not isinstance(value, dict) or not self._note_failure(value):
            self._text.row += 1
            yield [value]

    def _note_failure(self, members: Json, surely: bool = False) -> bool:
        """Warn if the members report a failure; returns whether they do. Members that may be a
        ticket's report none; `surely`: it is known that these are not a ticket's."""
        words = failure_of(members) if surely or not _OF_TICKETS & members.keys() else None
        if words and words not in self._failures and len(self._failures) < _MOST_FAILURES:
            self._failures.append(words)
            self._profile.warnings.append(f"the sender says that the export failed: {words}")
        return bool(words)

    def _check_line(self, members: Json, is_first: bool) -> None:
        """Raises BadInput unless this object, which holds no records, is the first of several lines
        that are records."""
        if not is_first or self._text.peek() != "{":
            names = ", ".join([*members][:10])
            where = "the file has" if is_first else "after others there is an object with"
            raise self._none(f"no records under {' or '.join(RECORDS)}; {where} {names}")

    def _lines(self, first: Json) -> Iterator[list[Any]]:
        self._text.row += 1
        yield [first]
        while self._text.peek() == "{":
            value = self._text.value()
            if any(isinstance(value.get(key), list | dict) for key in RECORDS):
                detail = "a page of records stands among lines that are records; split the file"
                raise self._text.error("json_malformed", detail)
            if not self._note_failure(value):
                self._text.row += 1
                yield [value]
        if self._text.peek():
            raise self._text.error("json_malformed", "a line is no object, unlike those before it")

    def _none(self, detail: str) -> BadInput:
        """The refusal of a file without records, with the first failure that the sender reports."""
        said = "".join(f"; the sender says: {each}" for each in self._failures[:1])
        return self._text.error("no_records_found", detail + said)
