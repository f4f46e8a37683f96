"""CSV from tools that ignore RFC 4180, and the evidence of a broken file."""

import pytest

from domain.failures import BadInput
from sources.servicenow.csv_export import read_csv as read_servicenow
from tests.sources.readers.csv.csv_reading import read
from tests.sources.reading import read as read_by

HEAD = b"number,title,note\n"


class TestTrailingDelimiters:
    """GLPI ends every line with one; a column without name and value is none."""

    @pytest.mark.parametrize(
        "content",
        [
            b"a;b;\n1;x;\n2;y;\n",
            b"a;b;;\n1;x;;\n2;y;;\n",
            b"a;b\n1;x;\n2;y;\n",
            b"a;b;\n1;x\n2;y\n",
            b'"a";"b";\r\n"1";"x";\r\n"2";"y";\r\n',
            b"a;b\n1;x; ;\n2;y\n",
            b"a;b; \n1;x; \n2;y;\n",
        ],
    )
    def test_make_no_column(self, content: bytes) -> None:
        found = read(content)
        assert (found.columns, found.rows) == (["a", "b"], [("1", "x"), ("2", "y")])
        assert found.rejected == []

    def test_a_value_beyond_the_header_is_no_trailing_delimiter(self) -> None:
        found = read(b"a;b\n1;x;z\n2;y\n")
        assert found.rejected == [(1, "column_count_mismatch")]
        assert found.rows == [("2", "y")]

    @pytest.mark.parametrize("rows", [1, 3, 12_000])
    def test_a_column_without_a_name_is_kept_where_it_has_values(self, rows: int) -> None:
        found = read(b"a,,b\n" + b"1,,x\n" * rows + b"2,odd,y\n")
        assert [*found.profile.columns] == ["a", "b", "column 2"]
        last = found.chunks[-1].frame.rows(named=True)[-1]
        assert (last["a"], last["column 2"], last["b"]) == ("2", "odd", "y")
        assert [each for each in found.profile.warnings if "'column 2'" in each]

    def test_its_name_is_nobody_elses(self) -> None:
        found = read(b"column 2,,b\n1,odd,x\n")
        assert [*found.profile.columns] == ["column 2", "b", "column 2'"]

    def test_a_header_of_nothing_is_refused(self) -> None:
        with pytest.raises(BadInput) as refused:
            read(b",,\n1,2,3\n")
        assert refused.value.problem.code == "csv_header_invalid"


class TestShortRecords:
    def test_what_lacks_at_the_end_is_empty(self) -> None:
        """Excel leaves out the trailing empty cells of later rows."""
        found = read(HEAD + b"1,a,n\n2,b\n3,c,\n4,d\n")
        assert found.rows == [("1", "a", "n"), ("2", "b", ""), ("3", "c", ""), ("4", "d", "")]
        assert any(each.startswith("2 records have fewer") for each in found.profile.warnings)

    def test_a_record_that_a_line_break_splits_is_rejected(self) -> None:
        found = read(HEAD + b"1,a,n\n2,bro\nken,n\n3,c,n\n")
        assert found.rejected == [(2, "column_count_mismatch"), (3, "column_count_mismatch")]
        assert found.numbers == [1, 4]

    @pytest.mark.parametrize("more", [b"", b"5,e,n\n" * 3_000])
    def test_also_where_many_records_follow(self, more: bytes) -> None:
        found = read(HEAD + b"2,bro\nken,n\n" + more)
        assert [each for each, _ in found.rejected] == [1, 2]

    @pytest.mark.parametrize(
        "lines", [b"2,bro\nken\nin three,n\n", b"2,bro\n\nken,n\n", b"2,bro\nk\nen\nx,n\n"]
    )
    def test_in_however_many_pieces(self, lines: bytes) -> None:
        found = read(HEAD + b"1,a,n\n" + lines + b"9,c,n\n")
        assert found.rows == [("1", "a", "n"), ("9", "c", "n")]

    def test_of_one_length_and_together_as_long_as_a_record(self) -> None:
        broken = b"INC2,b,bro\nken,x,y\nINC3,c,bro\nken too,x,y\n"
        found = read(b"a,b,c,d,e\nINC1,2,3,4,5\n" + broken + b"INC4,2,3,4,5\n")
        assert [each[0] for each in found.rows] == ["INC1", "INC4"]

    def test_many_of_one_length_are_excels(self) -> None:
        found = read(b"a,b,c,d,e\n1,2,3,4,5\n" + b"1,2,3\n" * 4 + b"1,2,3,4,5\n")
        assert (len(found.rows), found.rejected) == (6, [])

    def test_a_line_of_one_cell_is_rejected(self) -> None:
        assert read(HEAD + b"1,a,n\nTotal: 1\n").rejected == [(2, "column_count_mismatch")]

    def test_a_file_that_is_cut_in_a_record_is_not_filled_up(self) -> None:
        assert read(HEAD + b"1,a,n\n2,b").rejected == [(2, "column_count_mismatch")]


class TestRepeatedHeaders:
    """Two exports that were joined."""

    @pytest.mark.parametrize(
        "again",
        [HEAD, b"\xef\xbb\xbf" + HEAD, b'"number","title","note"\n', b" number, title ,note\r\n"],
    )
    def test_are_left_out_and_counted(self, again: bytes) -> None:
        found = read(HEAD + b"1,a,n\n" + again + b"2,b,n\n")
        assert (found.rows, found.numbers) == ([("1", "a", "n"), ("2", "b", "n")], [1, 2])
        assert found.profile.ignored == {"repeated header": 1}
        assert found.profile.records == 2

    def test_cells_that_are_formulas_make_no_difference(self) -> None:
        head = b'"=""number""","=""title"""\n'
        found = read(head + b"1,a\n" + head + b"2,b\n")
        assert (found.columns, found.rows) == (["number", "title"], [("1", "a"), ("2", "b")])
        assert found.profile.ignored == {"repeated header": 1}

    def test_one_word_is_a_value(self) -> None:
        assert len(read(b"Status\nNew\nStatus\n").rows) == 2

    def test_the_mark_of_a_joined_file_is_taken_off(self) -> None:
        found = read(HEAD + b"1,a,n\n" + b'\xef\xbb\xbf"2","b, c",n\n\xef\xbb\xbf3,d,n\n')
        assert found.rows == [("1", "a", "n"), ("2", "b, c", "n"), ("3", "d", "n")]

    def test_a_record_that_begins_like_it_is_none(self) -> None:
        found = read(HEAD + b"number,title,other\n")
        assert (len(found.rows), found.profile.ignored) == (1, {})


class TestBlanksBeforeQuotes:
    def test_are_the_dialect_of_the_file(self) -> None:
        found = read(b'key, summary, note\n1, "Broken, and cold", "say ""hi"""\n2, x, y\n')
        assert found.columns == ["key", "summary", "note"]
        assert found.rows == [("1", "Broken, and cold", 'say "hi"'), ("2", "x", "y")]

    def test_a_quote_in_a_value_is_no_dialect(self) -> None:
        found = read(b'a,b\n1, "x" y\n2,z\n')
        assert found.rows == [("1", ' "x" y'), ("2", "z")]

    def test_blanks_without_quotes_are_values(self) -> None:
        assert read(b"a,b\n1, x\n").rows == [("1", " x")]


class TestEscapes:
    def test_a_formula_of_a_text_is_the_text(self) -> None:
        found = read(b'="a",b\n"=""00042""","=""x"")"\n="7",=1+1\n"=""say """"x""""""",y\n')
        assert found.columns == ["a", "b"]
        assert found.rows == [("00042", '="x")'), ("7", "=1+1"), ('say "x"', "y")]

    def test_servicenow_writes_an_apostrophe_before_formulas(self) -> None:
        content = b"number,title\n1,'- jam\n2,'+49 30\n3,'=x\n4,'@home\n5,'quoted'\n6,''-\n"
        titles = [each["title"] for each in read_by(read_servicenow, content).rows]
        assert titles == ["- jam", "+49 30", "=x", "@home", "'quoted'", "''-"]
        assert read(content).rows[0] == ("1", "'- jam")  # elsewhere it may be meant

    @pytest.mark.parametrize("rows", [1, 12_000])
    def test_it_is_said_where_that_apostrophe_was_taken_off(self, rows: int) -> None:
        """An instance can have it off, and then the apostrophe is the text's own."""
        content = "number,title,note\n" + "1,'@home' users,'= x\n2,'quoted',\n3,'+1,\n" * rows
        [warning] = read_by(read_servicenow, content.encode()).profile.warnings
        assert f"{3 * rows:,} cells" in warning
        assert f"title ({2 * rows:,}), note ({rows:,})" in warning

    def test_nothing_is_said_where_there_was_none(self) -> None:
        content = b"number,title\n1,'quoted'\n2,''-\n"
        assert read_by(read_servicenow, content).profile.warnings == []


class TestOtherTables:
    @pytest.mark.parametrize("column", ["sys_class_name", "Task type", "Task Type"])
    def test_are_left_out_of_servicenows_lists(self, column: str) -> None:
        rows = "1,Incident\n2,Change Request\n3,incident\nx,y,z\n4,Problem\n5,\n"
        found = read_by(read_servicenow, f"number,{column}\n{rows}".encode())
        assert [each["number"] for each in found.rows] == ["1", "3", "5"]
        assert [each["_row"] for each in found.rows] == [1, 2, 4]
        assert [each.row for each in found.rejected] == [3]
        assert found.profile.ignored == {"change_request": 1, "problem": 1}
        assert found.profile.records == 4

    def test_mean_nothing_elsewhere(self) -> None:
        assert len(read(b"number,Task type\n1,Bug\n2,Story\n").rows) == 2


class TestToldDelimiter:
    def test_it_is_obeyed(self) -> None:
        content = b"a,b\xc2\xa4c\n1,2\xc2\xa43\n"
        assert read(content, delimiter="¤").rows == [("1,2", "3")]
        assert read(b"sep=;\na,b\n1,2\n", delimiter=",").rows == [("1", "2")]


def test_a_file_of_headers_alone_has_no_records() -> None:
    found = read(HEAD * 30_000)
    assert (found.profile.records, found.chunks) == (0, [])


def test_a_list_of_other_tables_alone_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        read_by(read_servicenow, b"number,sys_class_name\n" + b"1,problem\n" * 30_000)
    assert refused.value.problem.code == "no_records_found"


class TestReferences:
    @pytest.mark.parametrize(
        "cell",
        [
            "{'link': 'https://x/api/sys_user/7', 'value': '7'}",
            '{"link": "https://x/api/sys_user/7", "value": "7"}',
            "{'display_value': 'Ann', 'value': '7'}",
        ],
    )
    def test_that_a_script_wrote_into_a_cell_are_read(self, cell: str) -> None:
        quoted = cell.replace('"', '""')
        content = f'number,caller\n1,"{quoted}"\n2,plain\n'.encode()
        first, second = read_by(read_servicenow, content).rows
        assert (first["caller"], second["caller"]) == ("7", "plain")
        assert first.get("caller.display_value") == ("Ann" if "Ann" in cell else None)

    @pytest.mark.parametrize(
        "text", ['{"value": "42"}', '{"value": "42", "link": "https://x/pages/other"}']
    )
    def test_a_text_that_somebody_pasted_is_none(self, text: str) -> None:
        quoted = text.replace('"', '""')
        content = f'number,description,caller_id\n1,"{quoted}","{quoted}"\n'.encode()
        [record] = read_by(read_servicenow, content).rows
        assert (record["description"], record["caller_id"]) == (text, "42")

    @pytest.mark.parametrize("value", ["", ", 'value': None"])
    def test_of_one_without_a_value_the_link_is_kept(self, value: str) -> None:
        cell = f"{{'display_value': 'Ann', 'link': 'https://x/sys_user/7'{value}}}"
        [record] = read_by(read_servicenow, f'number,caller\n1,"{cell}"\n'.encode()).rows
        assert (record["caller"], record["caller.display_value"]) == ("", "Ann")
        assert record["caller.link"] == "https://x/sys_user/7"

    def test_with_a_character_that_cannot_be_stored_stay_as_they_are_written(self) -> None:
        cell = r"{'display_value': 'A\u0000', 'value': '7'}"
        [record] = read_by(read_servicenow, f'number,caller\n1,"{cell}"\n'.encode()).rows
        assert record["caller"] == cell

    def test_that_are_only_in_some_pieces_of_a_chunk(self) -> None:
        cell = "\"{'display_value': 'Ann', 'value': '7'}\""
        content = f"number,caller\n1,{cell}\n2,x,\n3,{cell}\n".encode()
        found = read_by(read_servicenow, content).rows
        assert [each["caller"] for each in found] == ["7", "x", "7"]

    @pytest.mark.parametrize("nothing", ["{}", "[]"])
    def test_that_are_empty_are_none(self, nothing: str) -> None:
        content = f"number,caller_id,description\n1,{nothing},{nothing}\n2,7,a\n".encode()
        first, second = read_by(read_servicenow, content).rows
        assert (first["caller_id"], first["description"]) == ("", nothing)
        assert second["caller_id"] == "7"

    @pytest.mark.parametrize(
        "cell",
        ["{}", "{not a dict", "{'value': 7}", "{'value': '7', 'more': 1}", "{'a', 'b'}", "{" * 50],
    )
    def test_any_other_text_stays(self, cell: str) -> None:
        [row] = read_by(read_servicenow, f'number,note\n1,"{cell}"\n'.encode()).rows
        assert row["note"] == cell


def test_a_header_of_bad_bytes_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        read("a,b\xff\n".encode("latin-1") + "Büro,Zürich\n".encode())
    assert refused.value.problem.code == "csv_header_invalid"


class TestTitles:
    @pytest.mark.parametrize("title", [b"Open incidents\n", b"Open incidents;;\n", b"Of\n\nJuly\n"])
    def test_a_line_before_the_header_is_left_out_and_said(self, title: bytes) -> None:
        found = read(title + b"a;b;c\n1;2;3\n4;5;6\n7;8;9\n")
        assert (found.columns, found.rows[0]) == (["a", "b", "c"], ("1", "2", "3"))
        assert found.profile.warnings
        assert all("left out" in each for each in found.profile.warnings)

    @pytest.mark.parametrize("content", [b"a\n1\n2\n", b"a\nb;c;d\n1;2;3\n", b"a;b\n1;2\n3;4\n"])
    def test_without_evidence_it_is_the_header(self, content: bytes) -> None:
        assert read(content).columns[0] == "a"
