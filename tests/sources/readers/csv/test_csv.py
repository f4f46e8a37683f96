"""How CSV files are read, and the problem that each broken one is refused with."""

import io

import pytest

from domain.failures import BadInput, Problem
from sources.readers.chunk import CHUNK_ROWS, Limits, Profile
from sources.readers.csv.opening import read_csv
from tests.sources.readers.csv.csv_reading import read


def problem(content: bytes, **limits: int) -> Problem:
    with pytest.raises(BadInput) as refusal:
        read(content, limits=Limits(**limits))
    return refusal.value.problem


class TestAccepted:
    @pytest.mark.parametrize(
        "content",
        [
            b"a,b\n1,x y\n2,\n",
            b"a,b\r\n1,x y\r\n2,",
            b"a,b\r1,x y\r2,\r",
            b"a,b\r\n1,x y\n2,\r",
            b'"a","b"\n"1","x y"\n"2",""\n',
            b'"a", b \n1,"x y"\r\n"2",\n\n\n',
            b"\n\na,b\n\n1,x y\n\r\n2,\n",
            b"\xef\xbb\xbfa,b\n1,x y\n2,\n",
            b'\xef\xbb\xbf"a","b"\n1,x y\n2,\n',
            b"a;b\n1;x y\n2;\n",
            b"a\tb\n1\tx y\n2\t\n",
            b"a|b\n1|x y\n2|\n",
            b"sep=;\r\na;b\r\n1;x y\r\n2;\r\n",
            b"sep=^\na^b\n1^x y\n2^\n",
        ],
    )
    def test_one_table_in_many_spellings(self, content: bytes) -> None:
        found = read(content)
        assert found.columns == ["a", "b"]
        assert found.rows == [("1", "x y"), ("2", "")]
        assert found.numbers == [1, 2]
        assert found.profile.records == 2

    def test_values_are_kept_to_the_character(self) -> None:
        content = 'a,b\n" x ","say ""hi"""\nNULL,\t\n"a\r\nb","1\n\r2\r"\n\ufeff1,\ufeff\n'
        assert read(content.encode()).rows == [
            (" x ", 'say "hi"'),
            ("NULL", "\t"),
            ("a\r\nb", "1\n\r2\r"),
            ("1", "\ufeff"),  # at the start of a record, it is that of a joined file
        ]

    def test_quotes_inside_an_unquoted_field_are_text(self) -> None:
        found = read(b'size,text\n5" pipe,C:\\"a"\n"C:\\",x\n')
        assert found.rows == [('5" pipe', 'C:\\"a"'), ("C:\\", "x")]

    def test_one_column_has_empty_values_only_in_quotes(self) -> None:
        assert read(b'a\n1\n\n""\n2\n').rows == [("1",), ("",), ("2",)]

    def test_a_header_alone_is_no_record(self) -> None:
        found = read(b"a,b\n")
        assert (found.columns, found.chunks, found.profile.records) == (["a", "b"], [], 0)

    @pytest.mark.parametrize(
        ("content", "delimiter"),
        [
            (b'"a;b;c;d",e\n"1;2;3;4",5\n', ","),
            (b"name;note\nx;a, b, c\ny;a, b, c\n", ";"),
            (b"name,note\nx;y;z,1\nx;y;z,2\n", ","),
            (b"one\ntwo, three\n", ","),
        ],
    )
    def test_the_delimiter_is_found_with_quotes_in_mind(
        self, content: bytes, delimiter: str
    ) -> None:
        assert read(content).profile.delimiter == delimiter

    def test_a_pipe_is_read_like_a_file(self) -> None:
        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

            def seek(self, *_: int) -> int:
                raise io.UnsupportedOperation

        profile = Profile()
        chunks = [*read_csv(Pipe(b"a\n1\n"), profile, "incident", Limits())]
        assert chunks[0].frame.rows() == [(1, "1")]


class TestRejectedRecords:
    def test_the_others_go_on_under_their_numbers(self) -> None:
        found = read(b"a,b\n1,x\n2\n3,x,y\n4,x\n5,\0\n6,x\n")
        assert found.numbers == [1, 4, 6]
        assert found.rejected == [
            (2, "column_count_mismatch"),
            (3, "column_count_mismatch"),
            (5, "nul_not_storable"),
        ]
        assert found.profile.records == 6

    def test_a_nul_is_named_with_its_field(self) -> None:
        (chunk,) = read(b'a,b\n1,"x\0y"\n').chunks
        assert chunk.rejected[0].field == "b"


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "file_empty"),
            (b"\xef\xbb\xbf", "file_empty"),
            (b"\n\r\n", "file_empty"),
            (b"a,_row\n1,2\n", "csv_header_invalid"),
            (b"a,b\0\n1,2\n", "csv_header_invalid"),
            (b"a,b, a \n1,2,3\n", "csv_duplicate_header"),
        ],
    )
    def test_no_usable_header(self, content: bytes, code: str) -> None:
        assert problem(content).code == code

    def test_columns_of_the_same_name_are_all_named_with_their_places(self) -> None:
        assert problem(b"a,Labels,b,Labels,a\n1,2,3,4,5\n").detail == (
            "columns have the same name: 'a' (columns 1, 5), 'Labels' (columns 2, 4);"
            " rename them in the header"
        )
        many = problem(b",".join([b"x"] * 12) + b"\n").detail
        assert "'x' (columns 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more)" in many

    def test_too_many_columns(self) -> None:
        found = problem(b",".join(b"c%d" % n for n in range(2001)) + b"\n")
        assert (found.code, found.limit, found.actual) == ("too_many_columns", 2000, 2001)

    @pytest.mark.parametrize("before", [1, 30_000])
    def test_an_unclosed_quote_is_named_by_the_line_it_opens_in(self, before: int) -> None:
        content = b"a,b\n" + b'1,"x\r\ny"\r\n' * before + b'1,2\n3,"no end\n4,5\n'
        found = problem(content)
        assert found.code == "csv_unclosed_quote"
        assert found.line == 1 + 2 * before + 2
        assert found.row == before + 2

    def test_text_after_a_closing_quote(self) -> None:
        found = problem(b'a,b\n1,2\n"multi\nline","x"y\n')
        assert (found.code, found.line, found.row) == ("csv_malformed_quote", 4, 2)

    @pytest.mark.parametrize(
        "record",
        [rb'"say \"hi\"",2', rb'"say \", again",2', rb'1,"\"hi\" again"'],
    )
    def test_backslash_escapes_never_shift_columns(self, record: bytes) -> None:
        found = problem(b"a,b\n1,2\n" + record + b"\n")
        assert (found.code, found.line) == ("csv_malformed_quote", 3)

    @pytest.mark.parametrize("quote", [b"", b'"'])
    def test_a_field_beyond_the_limit(self, quote: bytes) -> None:
        field = quote + b"x" * (2**20 + 1) + quote
        found = problem(b"a,b\n1,2\n1," + field + b"\n")
        assert (found.code, found.row, found.column) == ("csv_field_too_large", 2, "b")
        assert (found.limit, found.actual) == (2**20, 2**20 + 1)

    def test_a_field_at_the_limit_is_kept(self) -> None:
        field = "é" * 2**19
        assert read(f"a,b\n1,{field}\n".encode()).rows == [("1", field)]

    @pytest.mark.parametrize(
        ("record", "code"),
        [
            (b"x" * 5000, "csv_field_too_large"),
            (b"x," * 2500, "record_too_large"),
            (b'"' + b"x\n" * 2500, "csv_unclosed_quote"),
        ],
    )
    def test_a_record_beyond_the_limit(self, record: bytes, code: str) -> None:
        found = problem(b"a,b\n1,2\n" + record, record_bytes=4000, field_bytes=1000)
        assert (found.code, found.line, found.row) == (code, 3, 2)


class TestBatches:
    def test_each_accounts_for_as_many_records(self) -> None:
        lines = [b"1,2,3" if n % 1000 == 0 else b'"%d","x\ny"' % n for n in range(1, 25_001)]
        found = read(b"a,b\n" + b"\n".join(lines))
        accounted = [chunk.frame.height + len(chunk.rejected) for chunk in found.chunks]
        assert accounted == [CHUNK_ROWS, CHUNK_ROWS, 5_000]
        assert [row[0] for row in found.rows] == [str(number) for number in found.numbers]
        assert len(found.rejected) == 25

    def test_the_last_may_be_full(self) -> None:
        found = read(b"a\n" + b"x\n" * 2 * CHUNK_ROWS)
        assert [chunk.frame.height for chunk in found.chunks] == [CHUNK_ROWS, CHUNK_ROWS]
