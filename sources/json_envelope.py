"""What stands around the records of a JSON file: arrays, envelopes, pages, one record a line.

Shapes seen: `{"records": […]}` (ServiceNow's export), `{"result": […]}` or `{"result": {…}}` (its
Table API), the bare array; several of these one after another, as pages are saved; and one object a
line (NDJSON, as Airbyte, Singer and `jq -c` write it).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sources.batch import Profile
from sources.json_text import JsonText

RECORDS = ("records", "result")
_FAILED = ("failure", "error", "failed")
_WORDS = 500  # characters of a vendor's sentence that are shown


def runs(text: JsonText, profile: Profile) -> Iterator[list[Any]]:
    """The records, many at once where nothing is odd; `text.row` is the number of the last one.

    What the sender says of a failure becomes a warning in the profile, or the refusal of a file
    without records.
    """
    kind = text.peek()
    if not kind:
        raise text.error("file_empty", "the file is empty")
    if kind not in "[{":
        text.value()
        raise text.error("no_records_found", "the file is a single JSON value, not records")
    while kind in ("[", "{"):
        yield from text.elements() if kind == "[" else _object(text, profile)
        kind = text.peek()
    text.end()


def _object(text: JsonText, profile: Profile) -> Iterator[list[Any]]:
    """The records of an envelope, or those that stand one on a line."""
    others: dict[str, Any] = {}
    found = repeated = False
    for key in text.members():
        kind = text.peek()
        if key in RECORDS and kind == "[":
            found = True
            yield from text.elements()
        elif key in RECORDS and kind == "{":
            found = True
            text.row += 1
            yield [text.value()]
        else:
            repeated = repeated or key in others
            others[key] = text.value()
    words = _failure(others)
    if found and words:
        profile.warnings.append(f"the sender says that the export failed: {words}")
    elif not found:
        yield from _lines(text, others, repeated, words)


def _lines(
    text: JsonText, first: dict[str, Any], repeated: bool, words: str | None
) -> Iterator[list[Any]]:
    """The object that holds no records, if it is one itself, and the next ones."""
    if text.peek() != "{" or words:
        reason = f"; the sender says: {words}" if words else ""
        names = ", ".join([*first][:10])
        detail = f"no records under {' or '.join(RECORDS)}; the file has {names}{reason}"
        raise text.error("no_records_found", detail)
    if repeated:
        raise text.error("json_malformed", "the first line has a key twice")
    text.row += 1
    yield [first]
    while text.peek() == "{":
        text.row += 1
        yield [text.value()]
    if text.peek():
        raise text.error("json_malformed", "a line is no object, though the first ones are")


def _failure(members: Mapping[str, Any]) -> str | None:
    """The words for it, if the members that stand beside the records say that something failed."""
    error, status = members.get("error"), members.get("status")
    if not error and str(status).lower() not in _FAILED:
        return None
    said = [*error.values()] if isinstance(error, dict) else [error or f"status {status}"]
    return ": ".join(str(each) for each in said if each)[:_WORDS] or "no reason given"
