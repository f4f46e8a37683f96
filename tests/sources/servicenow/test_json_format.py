"""ServiceNow JSON: shapes, values, and the problems of bad files and records."""

import json
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.failures import BadInput
from sources.readers.chunk import CHUNK_ROWS, Limits, Profile
from sources.readers.json import window as text_window
from sources.servicenow.json_export import read_json
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
    assert sum(each.records for each in found.chunks) == count + 1
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
        ("[" + "1," * 100 + '{"a":' * 101 + "1" + "}" * 101 + ",{}]", "json_too_deep"),
        ("[" * 100_000, "json_too_deep"),
        ('[{"a":' * 100_000, "json_too_deep"),
        ('[{"a": 1}] x', "json_trailing_data"),
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
    chunks = read_json(stream, Profile(), "incident", Limits())
    next(chunks)
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


def test_a_number_may_go_on_in_the_next_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = '{"took": 1.5e+3, "records": [{"a": "1"}, 2.5e-7, {"a": "2"}], "left": -0.25}'
    monkeypatch.setattr(text_window, "READ_BYTES", 8)
    for blanks in range(len(content)):
        found = read(read_json, (" " * blanks + content).encode())
        assert found.values == [{"a": "1"}, {"a": "2"}]
        assert [each.code for each in found.rejected] == ["record_not_object"]


@pytest.mark.parametrize("content", ["[null,{},{}]", '[7,{"a": "1"},{"a": "2"}]', '["x",{},{}]'])
def test_what_is_no_record_is_rejected_also_before_many(content: str) -> None:
    found = read(read_json, content.encode())
    assert [(each.row, each.code) for each in found.rejected] == [(1, "record_not_object")]
    assert found.profile.records == 3


class TestAroundTheRecords:
    """Pages, lines, and the sender's words beside the records."""

    @pytest.mark.parametrize(
        "content",
        [
            '{"number": "1"}\n{"number": "2"}\n',
            '{"number": "1"}\r\n\r\n{"number": "2"}',
            '\ufeff{"number": "1"} {"number": "2"}',
            '[{"number": "1"}][{"number": "2"}]',
            '{"result": [{"number": "1"}]}\n{"result": [{"number": "2"}]}',
            '{"result": {"number": "1"}}{"records": [{"number": "2"}]}',
            '[{"number": "1"}]\n{"result": [{"number": "2"}]}',
        ],
    )
    def test_pages_and_lines_are_read_one_after_another(self, content: str) -> None:
        found = read(read_json, content.encode())
        assert found.values == [{"number": "1"}, {"number": "2"}]
        assert [each["_row"] for each in found.rows] == [1, 2]

    @pytest.mark.parametrize(
        ("content", "code", "line"),
        [
            ('{"a": "1"}\n{"a": "2"}\n[1]', "json_malformed", 3),
            ('{"a": "1"}\n{"a": "2"\n', "json_truncated", None),
            ('{"a": "1"}\n{"a": }\n', "json_malformed", 2),
            ('{"a": "1"}\n{"records": [{"a": "2"}]}\nx', "json_malformed", 2),
            ('{"a": "1"}', "no_records_found", 1),
            ('{"a": "1"}\n{"result": [{"a": "2"}]}\n', "json_malformed", 2),
            ('[{"a": "1"}]\n{"a": "2"}\n{"a": "3"}', "no_records_found", 2),
            ('{"result": [{"a": "1"}]}\n{"a": "2"}', "no_records_found", 2),
        ],
    )
    def test_a_broken_line_is_named(self, content: str, code: str, line: int | None) -> None:
        problem = refusal(read_json, content.encode())
        assert (problem.code, line) == (code, line and problem.line)

    @pytest.mark.parametrize("twice", ['{"a": "2", "a": "3"}', '{"a": {"b": 1, "b": 2}, "c": 3}'])
    @pytest.mark.parametrize("row", [1, 2, 3])
    def test_a_line_with_a_key_twice_is_rejected(self, row: int, twice: str) -> None:
        lines = ['{"a": "1"}', '{"a": "4"}']
        lines.insert(row - 1, twice)
        found = read(read_json, "\n".join(lines).encode())
        assert [(each.row, each.code) for each in found.rejected] == [(row, "json_duplicate_key")]
        assert len(found.rows) == 2

    def test_a_long_key_twice_is_named_by_its_beginning(self) -> None:
        long = "k" * 100_000
        found = read(read_json, f'[{{"{long}": "1", "{long}": "2"}}]'.encode())
        [rejected] = found.rejected
        assert rejected.field == long[:1_000]
        assert len(rejected.detail) < 1_100

    def test_a_mark_before_each_page_is_no_text(self) -> None:
        page = '\ufeff[{"a": "1"}]\n'
        assert values(page * 3) == [{"a": "1"}] * 3

    @pytest.mark.parametrize(
        ("beside", "words"),
        [
            (
                '"error": {"message": "Query stopped", "detail": "time limit"}',
                "Query stopped: time",
            ),
            ('"error": "Result set truncated"', "Result set truncated"),
            ('"status": "failure"', "status failure"),
            ('"error": {"message": "M", "detail": null}, "status": "failure"', "M"),
            ('"error": ["Query stopped", {"code": "time limit"}]', "Query stopped: time limit"),
            ('"error": {"message": {"text": "Query stopped"}}', "Query stopped"),
            ('"error": true, "message": "Query stopped"', "Query stopped"),
            ('"status": "503", "detail": "maintenance"', "maintenance"),
        ],
    )
    def test_what_the_sender_says_of_a_failure_is_a_warning(self, beside: str, words: str) -> None:
        found = read(read_json, f'{{"result": [{{"a": "1"}}], {beside}}}'.encode())
        assert len(found.rows) == 1
        [warning] = found.profile.warnings
        assert words in warning
        assert words in refusal(read_json, f"{{{beside}}}".encode()).detail

    @pytest.mark.parametrize(
        "beside",
        [
            '"status": "success"',
            '"error": null',
            '"error": ""',
            '"error": false',
            '"error": 0',
            '"errors": []',
            '"error": {"message": ""}',
            '"status": "200", "message": "done"',
        ],
    )
    def test_what_says_nothing_of_a_failure_is_none(self, beside: str) -> None:
        found = read(read_json, f'{{"result": [{{"a": "1"}}], {beside}}}'.encode())
        assert found.profile.warnings == []

    def test_a_page_that_failed_leaves_those_that_did_not(self) -> None:
        page, failed = (
            '{"result": [{"a": "1"}]}',
            '{"error": {"message": "Stop"}, "status": "failure"}',
        )
        for content in (page + failed, failed + page, page + failed + page, page + failed * 9):
            found = read(read_json, content.encode())
            assert len(found.rows) == content.count(page)
            assert found.profile.warnings == ["the sender says that the export failed: Stop"]

    @pytest.mark.parametrize(
        "content",
        [
            '{"result": [], "error": {"message": "Stop"}}',
            '{"result": {"error": {"message": "Stop"}, "status": "failure"}}',
            '{"result": null, "status": "failure", "error": "Stop"}',
            '{"error": "Stop"}{"error": "Stop"}',
        ],
    )
    def test_a_failure_alone_is_the_refusal(self, content: str) -> None:
        problem = refusal(read_json, content.encode())
        assert problem.code == "no_records_found"
        assert problem.detail.endswith("the sender says: Stop")

    @pytest.mark.parametrize("field", ["error", "status", "message"])
    def test_a_ticket_that_has_such_a_field_is_a_ticket(self, field: str) -> None:
        lines = f'{{"number": "1", "{field}": "failed"}}\n{{"number": "2", "{field}": "failed"}}'
        found = read(read_json, lines.encode())
        assert [each["number"] for each in found.rows] == ["1", "2"]
        assert found.profile.warnings == []

    @pytest.mark.parametrize(
        ("failed", "words"),
        [
            (
                {"__status": "failure", "__error": {"message": "No access", "reason": None}},
                "No acc",
            ),
            ({"number": "2", "__status": "failure"}, "status failure"),
            ({"number": "2", "__error": "No access", "__status": "success"}, "No access"),
        ],
    )
    @pytest.mark.parametrize("count", [1, 200])
    def test_a_record_that_was_not_exported_is_rejected(
        self, failed: dict[str, object], words: str, count: int
    ) -> None:
        good = {"number": "1", "__status": "success"}
        content = json.dumps({"records": [*[good] * count, failed, *[good] * count]}).encode()
        found = read(read_json, content)
        assert [(each.row, each.code) for each in found.rejected] == [
            (count + 1, "record_not_exported")
        ]
        assert words in found.rejected[0].detail
        assert found.rows[0] == {"_row": 1, "number": "1", "__status": "success"}
        assert len(found.rows) == 2 * count


class TestReferences:
    """References that a script wrote as text, and empty ones."""

    @pytest.mark.parametrize(
        ("cell", "expected"),
        [
            ("{'link': 'https://x/7a', 'value': '7a'}", {"u": "7a"}),
            ('{"link": "https://x/7a", "value": "7a"}', {"u": "7a"}),
            ("{'value': '7a', 'display_value': 'Mira'}", {"u": "7a", "u.display_value": "Mira"}),
            (
                "{'display_value': 'Mira', 'link': 'x'}",
                {"u": "", "u.display_value": "Mira", "u.link": "x"},
            ),
            ("{'value': '7a', 'more': '1'}", {"u": "{'value': '7a', 'more': '1'}"}),
            ("{'value': 7}", {"u": "{'value': 7}"}),
            ("{see attachment}", {"u": "{see attachment}"}),
        ],
    )
    @pytest.mark.parametrize("count", [1, 100])
    def test_text_of_exactly_a_reference_is_one(
        self, cell: str, expected: dict[str, str], count: int
    ) -> None:
        assert values(json.dumps([{"u": cell}] * count)) == [expected] * count

    def test_labels_stand_beside_those_of_references_that_are_none_of_text(self) -> None:
        people = [{"value": "1", "display_value": "Ana"}, "{'value': '2', 'display_value': 'Bo'}"]
        found = values(json.dumps([{"u": each} for each in people]))
        assert [each["u.display_value"] for each in found] == ["Ana", "Bo"]

    @pytest.mark.parametrize("nothing", [{}, [], "{}", "[]"])
    def test_an_empty_reference_is_empty(self, nothing: object) -> None:
        content = json.dumps([{"assigned_to": nothing, "u": "{"}] * 3)
        assert values(content) == [{"assigned_to": "", "u": "{"}] * 3


class TestOtherTables:
    @pytest.mark.parametrize("name", ["change_request", "Change Request", " problem "])
    def test_are_left_out_and_counted(self, name: str) -> None:
        records = [
            {"sys_class_name": "incident", "number": "1"},
            {"sys_class_name": name, "number": "2"},
            {"number": "3"},
            {"sys_class_name": "Incident", "number": "4"},
        ]
        found = read(read_json, json.dumps(records).encode())
        assert [each["number"] for each in found.rows] == ["1", "3", "4"]
        assert [each["_row"] for each in found.rows] == [1, 2, 3]
        assert found.profile.ignored == {"_".join(name.split()).lower(): 1}
        assert found.profile.records == 3

    def test_are_not_all_named_if_there_are_thousands(self) -> None:
        """As where the column holds something else: what is counted stays small."""
        records = [{"sys_class_name": f"{n} " + "x" * 10_000} for n in range(2_000)]
        found = read(read_json, json.dumps([*records, {"number": "1"}]).encode())
        assert len(found.profile.ignored) == 101
        assert sum(found.profile.ignored.values()) == 2_000
        assert max(map(len, found.profile.ignored)) == 100

    def test_a_table_may_be_named_with_its_label(self) -> None:
        table = {"value": "problem", "display_value": "Problem"}
        records = [{"sys_class_name": table, "n": "1"}, {"sys_class_name": "incident", "n": "2"}]
        found = read(read_json, json.dumps(records).encode())
        assert [each["n"] for each in found.rows] == ["2"]

    def test_many_at_once_or_one_by_one_is_the_same(self) -> None:
        tables = ["incident", "problem", "incident"] * 400
        records = [{"sys_class_name": each, "n": str(n)} for n, each in enumerate(tables)]
        at_once = read(read_json, json.dumps(records).encode())
        by_line = read(read_json, "\n".join(map(json.dumps, records)).encode())
        assert at_once.rows == by_line.rows
        assert at_once.profile.ignored == by_line.profile.ignored == {"problem": 400}

    def test_a_file_of_other_tables_alone_is_refused(self) -> None:
        records = [{"sys_class_name": "problem"}, {"sys_class_name": "problem"}]
        problem = refusal(read_json, json.dumps(records).encode())
        assert problem.code == "no_records_found"
        assert "2 problem" in problem.detail

    def test_a_rejected_record_has_its_number(self) -> None:
        content = b'[{"sys_class_name": "problem"}, 7, {"sys_class_name": "incident", "n": "1"}]'
        found = read(read_json, content)
        assert [each.row for each in found.rejected] == [1]
        assert [each["_row"] for each in found.rows] == [2]


class TestEncodings:
    @pytest.mark.parametrize(
        "encoding",
        ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"],
    )
    @pytest.mark.parametrize(
        "text", ['{"result": [{"a": "Zürich – 😀"}]}', '[{"a": "Zürich – 😀"}]']
    )
    def test_every_width_is_read_with_a_mark_and_without(self, encoding: str, text: str) -> None:
        found = read(read_json, text.encode(encoding))
        assert found.values == [{"a": "Zürich – 😀"}]
        assert found.profile.encoding.startswith(encoding[:6].removesuffix("-"))

    def test_a_bad_byte_is_named_by_its_place(self) -> None:
        good = '[{"a": "x"},\n {"a": "'.encode("utf-16-le")
        problem = refusal(read_json, good + b"\x00\xd8\x20\x00" + '"}]'.encode("utf-16-le"))
        assert (problem.code, problem.line, problem.offset) == ("encoding_invalid", 2, len(good))

    def test_a_file_cut_inside_a_character_is_truncated(self) -> None:
        for text in ('[{"a": "Zürich', '[{"a": "1"}', '[{"a": "1"},', '[{"a": "1"}]\n'):
            for encoding in ("utf-16-le", "utf-16-be", "utf-16", "utf-32"):
                problem = refusal(read_json, text.encode(encoding)[:-1])
                assert problem.code == "json_truncated"
                assert "inside a character" in problem.detail
        assert refusal(read_json, '[{"a": "Zü'.encode()[:-1]).code == "json_truncated"
