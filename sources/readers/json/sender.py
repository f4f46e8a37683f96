"""Failures that the sender reports, beside the records or in place of a record.

ServiceNow's Table API answers 200 with records and `error` where a query was stopped on the way
(sndml3 issue 38, servicenow.itsm issue 76); its JSON web service puts `__status` and `__error` into
a record.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

_FAILED = re.compile(r"failure|failed|error|[45]\d\d", re.IGNORECASE)  # HTTP's numbers, too
_NOTHING = {"", "false", "0", "no", "none", "null"}
_ERRORS = ("error", "errors")
_WORDS = ("message", "detail", "error_description")
_LONGEST = 500  # characters of a sentence that are shown
_STATUS, _ERROR, _SUCCESS = "__status", "__error", "success"


def failure_of(members: Mapping[str, Any]) -> str | None:
    """The sender's words, if the members of an envelope report a failure; else None."""
    errors = [words for name in _ERRORS for words in _texts(members.get(name))]
    return _failure_words(members.get("status"), errors, [members.get(name) for name in _WORDS])


def failure_in(record: Mapping[str, Any]) -> str | None:
    """The sender's words, if an object reports why there is no record in its place; else None."""
    status, error = record.get(_STATUS), record.get(_ERROR)
    if error is None and (status is None or status == _SUCCESS):  # the usual case
        return None
    return _failure_words(status, [*_texts(error)], [])


def has_failures(records: pl.DataFrame) -> bool:
    """Whether any of the records may report a failure in its place."""
    statuses = records[_STATUS] if _STATUS in records.columns else None
    return _ERROR in records.columns or (statuses is not None and (statuses != _SUCCESS).any())


def _failure_words(status: Any, errors: list[str], words: list[Any]) -> str | None:
    failed = isinstance(status, str) and _FAILED.fullmatch(status.strip())
    if not errors and not failed:
        return None
    said = [*errors, *_texts(words)] or [f"status {status}"]
    return ": ".join(said)[:_LONGEST]


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value of any shape, except those that mean nothing (empty, "0", "none" …)."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif str(value).strip().lower() not in _NOTHING:
        yield str(value).strip()
