"""ServiceNow JSON: shapes, values, and what is refused or rejected by name."""

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.failures import BadInput
from sources import text_window
from sources.batch import CHUNK_ROWS, Limits, Profile
from sources.json_format import read_json
from tests.sources.reading import read, refusal

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
NAMES = TEXT.filter(lambda name: name != "_row")
RECORDS = st.lists(st.dictionaries(NAMES, TEXT, max_size=5), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
EXPORT = (
    '\ufeff{"meta": [1.5, -2e3, true, null],\n "records": ['
    '{"number": "INC1", "café": "😀\\ud83d\\ude00"},\n'
    ' {"number": "INC2", "ref": {"link": "x/7", "value": "7"}}], "end": {}}'
).encode()


def values(content: str) -> list[dict[str, str]]:
    return read(read_json, content.encode()).values


@pytest.mark.parametrize(
    "content",
    [
        '{"records": [{"number": "1"}, {"number": "2"}]}',
        '{"result": [{"number": "1"}, {"number": "2"}]}',
        '[{"number": "1"}, {"number": "2"}]',
        '\ufeff [{"number": "1"},\r\n\t{"number": "2"}] \n',
        '{"a": {"records": [1]}, "records": [{"number": "1"}, {"number": "2"}], "z": []}',
    ],
)
def test_every_shape_gives_its_records(content: str) -> None:
    assert values(content) == [{"number": "1"}, {"number": "2"}]


def test_a_single_result_is_one_record() -> None:
    assert values('{"result": {"number": "1"}}') == [{"number": "1"}]


@pytest.mark.parametrize("content", ["[]", '{"records": []}', '{"result": [], "records": []}'])
def test_an_empty_export_has_no_records(content: str) -> None:
    assert read(read_json, content.encode()).profile.records == 0


@pytest.mark.parametrize("count", [1, 3, CHUNK_ROWS + 3])
@pytest.mark.parametrize("record", ["{}", '{"a": null}'])
def test_records_without_any_value_are_records(record: str, count: int) -> None:
    before = ", ".join([record] * count)
    found = read(read_json, f'[{before}, {{"a": "1"}}]'.encode())
    assert found.profile.records == count + 1
    assert sum(each.records for each in found.batches) == count + 1
    assert values(f"[{before}]") == [{}] * count


def test_values_become_the_text_that_was_written() -> None:
    content = '[{"a": 1.50, "b": -0, "c": 1E5, "d": true, "e": false, "f": null, "g": ""}]'
    expected = {"a": "1.50", "b": "-0", "c": "1E5", "d": "true", "e": "false", "g": ""}
    assert values(content) == [expected]


def test_nested_values_are_flattened_and_arrays_stay_json() -> None:
    content = '[{"a": {"b": {"c": 1}}, "d": [1.0, "é", {"x": null}], "e": {}, "f": []}]'
    assert values(content) == [{"a.b.c": "1", "d": '[1.0,"é",{"x":null}]', "e": "{}", "f": "[]"}]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"link": "https://x/table/sys_user/7a", "value": "7a"}, {"u": "7a"}),
        (
            {"link": "https://x/elsewhere", "value": "7a"},
            {"u": "7a", "u.link": "https://x/elsewhere"},
        ),
        ({"display_value": "Mira", "value": "7a"}, {"u": "7a", "u.display_value": "Mira"}),
        ({"display_value": "Mira", "link": "x/7a"}, {"u.display_value": "Mira", "u.link": "x/7a"}),
        ("", {"u": ""}),
    ],
)
def test_references_keep_value_and_display_value(reference: object, expected: object) -> None:
    assert values(json.dumps([{"u": reference}])) == [expected]


@pytest.mark.parametrize(
    ("record", "code", "field"),
    [
        ('{"a": 1, "a": 2}', "json_duplicate_key", "a"),
        ('{"n": {"a": 1, "a": 2}}', "json_duplicate_key", "a"),
        ('{"a.b": 1, "a": {"b": 2}}', "json_duplicate_key", "a.b"),
        (r'{"a": "x\u0000"}', "nul_not_storable", "a"),
        ("17", "record_not_object", None),
        ('[{"a": 1}]', "record_not_object", None),
        ("null", "record_not_object", None),
    ],
)
def test_a_bad_record_is_rejected_alone(record: str, code: str, field: str | None) -> None:
    result = read(read_json, f'[{{"a": "1"}}, {record}, {{"a": "3"}}]'.encode())
    assert [(each.row, each.code, each.field) for each in result.rejected] == [(2, code, field)]
    assert result.rows == [{"_row": 1, "a": "1"}, {"_row": 3, "a": "3"}]
    assert result.profile.records == 3


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "file_empty"),
        ("42", "no_records_found"),
        ('"text"', "no_records_found"),
        ('{"incidents": [{"a": 1}]}', "no_records_found"),
        ('{"records": null}', "no_records_found"),
        ('[{"a": NaN}]', "json_number_invalid"),
        ('[{"a": -Infinity}]', "json_number_invalid"),
        ('[{"a": 1e999}]', "json_number_invalid"),
        ('[{"a": ' + "1" * 5_000 + "}]", "json_number_too_long"),
        (r'[{"a": "\ud800"}]', "json_string_invalid"),
        (r'[{"\udfff": "a"}]', "json_string_invalid"),
        ("[" * 65 + "]" * 65, "json_too_deep"),
        ('{"records": [{"a":' + "[" * 62 + "]" * 62 + "}]}", "json_too_deep"),
        ("[" * 100_000, "json_too_deep"),
        ('[{"a":' * 100_000, "json_too_deep"),
        ('[{"a": 1}] x', "json_trailing_data"),
        ('[{"a": 1}][{"a": 2}]', "json_trailing_data"),
        ('[{"a": 1} {"a": 2}]', "json_malformed"),
        ('[{"a": 1},]', "json_malformed"),
        ('[{"a": "x\ty"}]', "json_malformed"),
        ("<html>Please log in</html>", "json_malformed"),
        ('[{"_row": 1}]', "column_name_invalid"),
        (json.dumps([{str(number): "" for number in range(2_001)}]), "too_many_columns"),
    ],
)
def test_a_bad_file_is_refused_by_name(content: str, code: str) -> None:
    assert refusal(read_json, content.encode()).code == code


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert values('{"records": [{"a":' + "[" * 61 + "]" * 61 + "}]}") == [
        {"a": "[" * 61 + "]" * 61}
    ]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(field_bytes=8), "json_field_too_large"),
        (Limits(record_bytes=16), "json_record_too_large"),
    ],
)
def test_sizes_are_bounded_in_bytes(limits: Limits, code: str) -> None:
    fits, exceeds = '[{"a":"éééé"}]'.encode(), '[{"a":"ééééé"}]'.encode()
    assert read(read_json, fits, limits=limits).profile.records == 1
    assert refusal(read_json, exceeds, limits=limits).code == code


def test_a_record_that_never_ends_is_not_read_to_its_end() -> None:
    stream = BytesIO(b'[{"a": "' + b"x" * 8_000_000)
    with pytest.raises(BadInput, match="json_record_too_large"):
        [*read_json(stream, Profile(), "incident", Limits(record_bytes=100_000))]
    assert stream.tell() < 1_000_000


def test_a_refusal_names_line_column_row_and_byte() -> None:
    problem = refusal(read_json, '[{"é": 1},\n {"é": 2},\n  {"é": x}]'.encode())
    assert (problem.line, problem.column, problem.row, problem.offset) == (3, 9, 3, 33)


def test_bytes_that_are_not_utf_8_are_refused_with_their_offset() -> None:
    problem = refusal(read_json, '[{"a": "é"},\n{"a": "'.encode() + b'caf\xe9"}]')
    assert (problem.code, problem.offset, problem.line) == ("encoding_invalid", 24, 2)


def test_records_come_out_while_the_file_is_being_read() -> None:
    """One line of 15 MB must not be in memory as a whole."""
    record = json.dumps({"number": "x" * 200})
    stream = BytesIO(f"[{','.join([record] * (3 * CHUNK_ROWS))}]".encode())
    batches = read_json(stream, Profile(), "incident", Limits())
    next(batches)
    assert stream.tell() < len(stream.getvalue()) / 2


@given(RECORDS, st.booleans(), st.sampled_from([None, 1]))
def test_any_records_come_back(
    records: list[dict[str, str]], ascii: bool, indent: int | None
) -> None:
    content = json.dumps(records, ensure_ascii=ascii, indent=indent).encode()
    assert read(read_json, content).values == records


@given(VALUES, st.data())
def test_whatever_the_file_is_it_is_read_or_refused(value: object, data: st.DataObject) -> None:
    content = json.dumps(value).encode()
    place = data.draw(st.integers(0, len(content)))
    for each in (content, content[:place] + data.draw(st.binary(max_size=3)) + content[place:]):
        try:
            result = read(read_json, each)
        except BadInput:
            continue
        assert len(result.rows) + len(result.rejected) == result.profile.records


@pytest.mark.parametrize("length", range(4, len(EXPORT)))
def test_a_file_cut_anywhere_is_truncated(length: int) -> None:
    problem = refusal(read_json, EXPORT[:length])
    assert problem.code == "json_truncated"
    assert problem.line == EXPORT[:length].count(b"\n") + 1


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_the_size_of_reads_changes_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = EXPORT[:-20] + b"}" + EXPORT[-20:]
    whole, refused = read(read_json, EXPORT), refusal(read_json, bad)
    monkeypatch.setattr(text_window, "READ_BYTES", size)
    assert read(read_json, EXPORT).rows == whole.rows
    assert refusal(read_json, bad) == refused
