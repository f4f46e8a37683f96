"""Many records read at once, and one by one, are the same, and are refused at the same place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.failures import BadInput
from sources.readers.chunk import Limits
from sources.readers.json.text import JsonText
from sources.servicenow.json_export import read_json
from tests.sources.reading import read

TEXTS = [
    '"a"',
    '""',
    '"é"',
    '"\\u00e9"',
    '"\\n"',
    '"},{"',
    '"[{"',
    '"\\ud83d\\ude00"',
    "1.50",
    "null",
]
ODD = ["true", "[]", "{}", '{"link": "x/7", "value": "7"}', '[{"a": 1},{"b": 2}]', '"\\u0000"']
EVIL = ['"\\ud800"', "NaN", "1e999", "nul", '"', "}", "[[[[1]]]]", "9" * 5000, '"' + "x" * 40 + '"']
SEPARATORS = [",", ",\n", " , "]
LIMITS = Limits(columns=4, field_bytes=30, json_depth=5, record_bytes=2**16)


@st.composite
def record(draw: st.DrawFn, values: list[str]) -> str:
    names = draw(st.sampled_from(["ab", "ab", "ab", "ba", "abc", "aba", "", "de"]))
    members = (f'"{name}": {draw(st.sampled_from(values))}' for name in names)
    return f"{{{', '.join(members)}}}"


@st.composite
def exports(draw: st.DrawFn) -> str:
    """Ordinary records, with a few among them that are not."""
    records = draw(st.lists(record(TEXTS), min_size=2, max_size=12))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(records)))
        odd = record(TEXTS + ODD) | record(TEXTS + ODD + EVIL) | st.sampled_from(["1", "[]"])
        records.insert(place, draw(odd))
    return f"[{draw(st.sampled_from(SEPARATORS)).join(records)}]"


def outcome(content: str) -> object:
    try:
        found = read(read_json, content.encode(), limits=LIMITS)
    except BadInput as error:
        return error.problem
    return found.rows, found.rejected, found.profile


@given(exports())
def test_at_once_and_one_by_one_are_the_same(content: str) -> None:
    at_once = outcome(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JsonText, "_run", lambda _: [])
        assert at_once == outcome(content)


def test_ordinary_records_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    singly = []
    value = JsonText.value

    def counted(text: JsonText) -> Any:
        singly.append(text.row)
        return value(text)

    monkeypatch.setattr(JsonText, "value", counted)
    content = ",".join(f'{{"a": "{number}"}}' for number in range(1000))
    assert read(read_json, f"[{content}]".encode()).profile.records == 1000
    assert len(singly) == 1
