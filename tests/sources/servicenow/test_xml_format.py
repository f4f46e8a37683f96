"""ServiceNow XML: roots, fields, and the attacks and faults that are refused by name."""

import socket
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from domain.failures import BadInput
from sources.readers.chunk import CHUNK_ROWS, Limits, Profile
from sources.readers.xml import stream as xml_stream
from sources.servicenow.xml_export import read_xml
from tests.sources.reading import read, refusal

EXPORT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<unload unload_date="2025-02-05">\n<!-- é -->'
    '<incident action="INSERT_OR_UPDATE"><number>INC1</number>\n'
    '<caller_id display_value="Zoë &amp; Co">7a</caller_id>'
    "<text><![CDATA[a < b\n]]> 😀</text><empty/></incident><?note x?>\n"
    "<sys_journal_field><value>x</value></sys_journal_field>"
    "<incident><number>INC2</number><note>a<b>1</b></note></incident>\n</unload>"
).encode()
CHARACTERS = st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn"])
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True).filter(lambda name: name != "_row")
RECORDS = st.lists(st.dictionaries(NAMES, st.text(CHARACTERS), max_size=5), min_size=1, max_size=6)


def unload(*records: str, root: str = "unload") -> bytes:
    return f"<{root}>{''.join(records)}</{root}>".encode()


def incident(fields: str) -> bytes:
    return unload(f"<incident>{fields}</incident>")


@pytest.mark.parametrize(
    "content",
    [
        b'<unload unload_date="x"><incident action="INSERT_OR_UPDATE"><a>1</a></incident></unload>',
        b"<xml><incident><a>1</a></incident></xml>",
        b'<record_update table="incident"><incident><a>1</a></incident></record_update>',
        b"<export><incident><a>1</a></incident></export>",
        b"<incident><a>1</a></incident>",
        b"\xef\xbb\xbf<incident>\n  <a>1</a>\n</incident>\n",
        '<?xml version="1.0" encoding="UTF-16"?><xml><incident><a>1</a></incident></xml>'.encode(
            "utf-16"
        ),
    ],
)
def test_every_root_gives_its_records(content: bytes) -> None:
    assert read(read_xml, content).values == [{"a": "1"}]


def test_fields_keep_text_and_display_value() -> None:
    fields = (
        '<a display_value="Mira">7a</a><b name="Jo">7b</b><c display_value=""/><d></d>'
        "<e> \n</e><f>1 &lt; 2<![CDATA[ & 3]]></f>"
    )
    expected = {
        "a": "7a",
        "a.display_value": "Mira",
        "b": "7b",
        "b.display_value": "Jo",
        "c": "",
        "d": "",
        "e": " \n",
        "f": "1 < 2 & 3",
    }
    assert read(read_xml, incident(fields)).values == [expected]


def test_white_space_in_a_field_is_kept() -> None:
    fields = "<a> \r\n</a><b>  \r\nx\r\n</b><c>\t</c><d>&#13;\n</d><e><![CDATA[ ]]></e>"
    expected = {"a": " \n", "b": "  \nx\n", "c": "\t", "d": "\r\n", "e": " "}
    assert read(read_xml, incident(fields)).values == [expected]


def test_elements_inside_a_field_are_kept_as_markup() -> None:
    assert read(read_xml, incident("<a>x<b c='1'>y</b>z</a>")).values == [{"a": 'x<b c="1">y</b>z'}]


def test_other_tables_and_deleted_records_are_counted_and_not_read() -> None:
    journal = "<sys_journal_field><element>comments</element></sys_journal_field>"
    deleted = '<incident action="DELETE"><a>0</a></incident>'
    result = read(read_xml, unload(journal, "<incident><a>1</a></incident>", journal, deleted))
    assert result.rows == [{"_row": 1, "a": "1"}]
    assert result.profile.ignored == {"sys_journal_field": 2, "incident (deleted)": 1}


@pytest.mark.parametrize("count", [1, 3_000])
@pytest.mark.parametrize("action", ["DELETE", "delete"])
def test_a_record_that_is_deleted_further_on_is_not_imported(count: int, action: str) -> None:
    """Whether a run of regular records or a single one holds it."""
    records = [f"<incident><sys_id>{n:032x}</sys_id><a>{n}</a></incident>" for n in range(count)]
    deleted = f'<incident action="{action}"><sys_id>{0:032x}</sys_id></incident>'
    problem = refusal(read_xml, unload(*records, deleted))
    assert (problem.code, problem.row) == ("record_deleted", count)
    assert f"{0:032x}" in problem.detail


def test_what_an_update_set_deletes_by_a_query_may_have_been_read() -> None:
    deletion = '<incident action="delete_multiple" query="active=true"/>'
    record = "<incident><sys_id>1</sys_id></incident>"
    assert refusal(read_xml, unload(record, deletion)).code == "record_deleted"
    found = read(read_xml, unload(deletion, record))
    assert found.profile.ignored == {"incident (deleted)": 1}
    assert found.values == [{"sys_id": "1"}]


@pytest.mark.parametrize("count", [1, 3_000])
def test_a_record_that_was_deleted_before_or_never_was_there_stops_nothing(count: int) -> None:
    records = [f"<incident><sys_id>{n:032x}</sys_id><a>{n}</a></incident>" for n in range(count)]
    again = f'<incident action="DELETE"><sys_id>{0:032x}</sys_id></incident>'
    unknown = '<incident action="DELETE"><sys_id>f</sys_id></incident>'
    problem = '<problem action="DELETE"><sys_id>1</sys_id></problem>'
    found = read(read_xml, unload(again, *records, unknown, problem))
    assert found.profile.records == count
    assert found.profile.ignored == {"incident (deleted)": 2, "problem": 1}


def test_not_all_of_thousands_of_other_tables_are_counted_by_name() -> None:
    others = [f"<u_{number}><a>1</a></u_{number}>" for number in range(2_000)]
    deleted = '<incident action="DELETE"><sys_id>f</sys_id></incident>'
    ignored = read(read_xml, unload(*others, deleted)).profile.ignored
    assert (len(ignored), sum(ignored.values())) == (102, 2_001)
    assert ignored["incident (deleted)"] == 1


def test_a_file_of_other_tables_alone_is_refused_with_their_counts() -> None:
    content = unload(*["<u_incident_ext><a>1</a></u_incident_ext>"] * 1_200, "<sc_task/>")
    assert "1,200 u_incident_ext, 1 sc_task" in refusal(read_xml, content).detail


GOOD = "<incident><sys_id>{}</sys_id><a>1</a></incident>"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("bell &#x1F; here", "xml_char_invalid", "&#x1F;"),
        ("&#0;", "xml_char_invalid", "&#0;"),
        ("&#xFFFE;", "xml_char_invalid", "&#xFFFE;"),
        ("&#xD800;", "xml_char_invalid", "&#xD800;"),
        ("\x00", "xml_char_invalid", "'\\x00'"),
        ("<![CDATA[\x1f]]>", "xml_char_invalid", "'\\x1f'"),
        ("\uffff", "xml_char_invalid", "'\\uffff'"),
        ("R & D", "xml_malformed", "&amp;"),
        ("&nbsp;", "xml_malformed", "&nbsp;"),
        ("]]>", "xml_malformed", "]]>"),
        ("\udce9", "encoding_invalid", "0xe9"),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 1_000])
def test_a_record_with_what_xml_forbids_is_rejected_alone(
    text: str, code: str, words: str, count: int
) -> None:
    good = [GOOD.format(number) for number in range(count)]
    broken = f"<incident><sys_id>b</sys_id>\n<a>{text}</a></incident>"
    content = f"<unload>{''.join([*good, broken, *good])}</unload>"
    found = read(read_xml, content.encode(errors="surrogateescape"))
    [rejected] = found.rejected
    assert (rejected.row, rejected.code, rejected.field) == (count + 1, code, "a")
    assert words in rejected.detail
    assert "line 2" in rejected.detail
    assert len(found.rows) == 2 * count
    assert {each["a"] for each in found.rows} <= {"1"}


@pytest.mark.parametrize("text", ["&#31;", "R & D", "A" * 11_000_000], ids=["char", "and", "long"])
def test_a_broken_record_of_another_table_is_counted_as_the_others(text: str) -> None:
    other = f"<sys_attachment_doc><data>{text}</data></sys_attachment_doc>"
    found = read(read_xml, unload(GOOD.format(1), other, GOOD.format(2)))
    assert [each["sys_id"] for each in found.rows] == ["1", "2"]
    assert found.profile.ignored == {"sys_attachment_doc": 1}
    assert found.rejected == []


def test_what_a_section_holds_is_no_reference() -> None:
    found = read(read_xml, incident("<a><![CDATA[&#31; & </incident> &nbsp;]]></a>"))
    assert found.values == [{"a": "&#31; & </incident> &nbsp;"}]


@pytest.mark.parametrize(
    ("broken", "code", "words"),
    [
        ("<incident><a>x</b></incident>", "xml_malformed", "</b> stands where <a> is open"),
        ("<incident><a>x</incident>", "xml_malformed", "</incident> stands where <a> is open"),
        ("<incident><a>x < y</a></incident>", "xml_malformed", "a < stands where no tag is"),
        ("<incident><a>&#31;</b></incident>", "xml_char_invalid", "XML forbids"),
        ("<incident><a>x", "xml_truncated", "the file ends"),
        ("<incident><a>" + "x" * 11_000_000 + "</a></incident>", "xml_text_too_large", "longer"),
    ],
    ids=["end", "none", "less", "both", "cut", "long"],
)
def test_where_the_tags_do_not_fit_the_record_and_field_are_named(
    broken: str, code: str, words: str
) -> None:
    content = f"<unload>{GOOD.format(1)}\n{broken}"
    if code != "xml_truncated":
        content += f"\n{GOOD.format(2)}</unload>"
    problem = refusal(read_xml, content.encode())
    assert problem.code.startswith(code)
    assert (problem.row, problem.line) == (2, 2)
    assert words in problem.detail
    assert "'a'" in problem.detail


@pytest.mark.parametrize("between", ["junk & text", "<!-- \x1f -->", "&nbsp;"])
def test_what_is_wrong_between_records_is_no_records_fault(between: str) -> None:
    problem = refusal(read_xml, unload(GOOD.format(1), between, GOOD.format(2)))
    assert (problem.code[:4], problem.row) == ("xml_", None)


def test_several_tables_can_be_one_entity() -> None:
    content = unload("<sc_request><a>1</a></sc_request>", "<sc_req_item><a>2</a></sc_req_item>")
    assert read(read_xml, content, "sc_request sc_req_item").values == [{"a": "1"}, {"a": "2"}]


def test_a_field_twice_rejects_its_record_alone() -> None:
    content = unload("<incident><a>1</a><a>2</a></incident>", "<incident><a>3</a></incident>")
    result = read(read_xml, content)
    assert [(each.row, each.code, each.field) for each in result.rejected] == [
        (1, "xml_duplicate_field", "a")
    ]
    assert result.rows == [{"_row": 2, "a": "3"}]


@pytest.mark.parametrize("content", [unload(), unload('<incident action="DELETE"/>')])
def test_an_export_without_records_is_empty(content: bytes) -> None:
    assert read(read_xml, content).profile.records == 0


def test_the_declared_encoding_is_used_and_reported() -> None:
    content = b'<?xml version="1.0" encoding="windows-1252"?><incident><a>\x80</a></incident>'
    result = read(read_xml, content)
    assert (result.values, result.profile.encoding) == ([{"a": "€"}], "windows-1252")


ATTRIBUTES = " ".join(f'b{number}=""' for number in range(1_001))
BOMB = '<!DOCTYPE b [<!ENTITY a "12345"><!ENTITY c "&a;&a;">]><unload>&c;</unload>'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (BOMB.encode(), "xml_dtd_forbidden"),
        (BOMB.encode("utf-16"), "xml_dtd_forbidden"),
        (
            b'<!DOCTYPE u [<!ENTITY x SYSTEM "file:///etc/hostname">]><u>&x;</u>',
            "xml_dtd_forbidden",
        ),
        (
            b'<!DOCTYPE u [<!ENTITY % x SYSTEM "file:///etc/hostname"> %x;]><u/>',
            "xml_dtd_forbidden",
        ),
        (b"<!DOCTYPE unload><unload/>", "xml_dtd_forbidden"),
        (incident("<a>" * 255 + "</a>" * 255), "xml_too_deep"),
        (incident("<a>" + "x" * (2**20 + 1) + "</a>"), "xml_text_too_large"),
        (incident("<a>" + "x" * 11_000_000 + "</a>"), "xml_text_too_large"),
        (incident(f"<a {ATTRIBUTES}/>"), "xml_too_many_attributes"),
        (
            incident(f"<a><c {ATTRIBUTES}/></a>"),
            "xml_too_many_attributes",
        ),
        (
            f"<unload {ATTRIBUTES}/>".encode(),
            "xml_too_many_attributes",
        ),
        (incident("".join(f"<a{n}/>" for n in range(2_001))), "too_many_columns"),
        (b'<?xml version="1.0" encoding="UTF-16"?><unload/>', "encoding_invalid"),
        (b'<?xml version="1.0" encoding="klingon"?><unload/>', "encoding_invalid"),
        (incident("<a></b>"), "xml_malformed"),
        (incident("<a>&nbsp;</a>") * 2, "xml_malformed"),
        (unload() * 2, "xml_malformed"),
        (b"Please log in", "xml_malformed"),
        (unload("<problem><a>1</a></problem>"), "no_records_found"),
        (b"<rss><channel><item/></channel></rss>", "no_records_found"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_file_is_refused_by_name(content: bytes, code: str) -> None:
    assert refusal(read_xml, content).code == code


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert read(read_xml, incident("<a>" * 254 + "</a>" * 254)).profile.records == 1


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (b"<html><head><meta charset='utf-8'></head><form/></html>", "no_records_found"),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "xml_dtd_forbidden"),
    ],
)
def test_a_login_page_is_called_one(page: bytes, code: str) -> None:
    problem = refusal(read_xml, page)
    assert problem.code == code
    assert "login page" in problem.detail


def test_an_external_dtd_is_never_fetched() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.dtd"
        content = f'<!DOCTYPE unload PUBLIC "x" "{url}"><unload><incident/></unload>'
        assert refusal(read_xml, content.encode()).code == "xml_dtd_forbidden"
        with pytest.raises(BlockingIOError):
            server.accept()


def test_xinclude_is_a_plain_element() -> None:
    include = (
        '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/hostname" parse="text"/>'
    )
    (record,) = read(read_xml, incident(f"<a>{include}</a>")).values
    assert record["a"].startswith("<xi:include")


def test_a_record_that_never_ends_is_not_read_to_its_end() -> None:
    stream = BytesIO(b"<unload><incident>" + b"<a>x</a>" * 1_000_000)
    with pytest.raises(BadInput, match="xml_record_too_large"):
        [*read_xml(stream, Profile(), "incident", Limits(record_bytes=200_000))]
    assert stream.tell() < 500_000


def test_records_come_out_while_the_file_is_being_read() -> None:
    stream = BytesIO(unload(*["<incident><a>1</a></incident>"] * (30 * CHUNK_ROWS)))
    next(read_xml(stream, Profile(), "incident", Limits()))
    assert stream.tell() < len(stream.getvalue()) / 2


def test_a_refusal_names_line_and_column() -> None:
    problem = refusal(read_xml, b"<unload>\n<incident>\n <a></b>\n</incident>\n</unload>")
    assert (problem.line, problem.column) == (3, 9)


@given(RECORDS)
def test_any_records_come_back(records: list[dict[str, str]]) -> None:
    root = etree.Element("unload")
    for record in records:
        element = etree.SubElement(root, "incident")
        for name, text in record.items():
            etree.SubElement(element, name).text = text
    assert read(read_xml, etree.tostring(root)).values == records


@given(st.integers(0, len(EXPORT)), st.integers(0, 8), st.binary(max_size=4))
def test_whatever_the_file_is_it_is_read_or_refused(at: int, gone: int, noise: bytes) -> None:
    try:
        result = read(read_xml, EXPORT[:at] + noise + EXPORT[at + gone :])
    except BadInput:
        return
    assert len(result.rows) + len(result.rejected) == result.profile.records


@pytest.mark.parametrize("length", range(1, len(EXPORT)))
def test_a_file_cut_anywhere_is_truncated(length: int) -> None:
    assert refusal(read_xml, EXPORT[:length]).code == "xml_truncated"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_the_size_of_reads_changes_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(read_xml, EXPORT)
    monkeypatch.setattr(xml_stream, "READ_BYTES", size)
    parts = read(read_xml, EXPORT)
    assert (parts.rows, parts.profile) == (whole.rows, whole.profile)


@pytest.mark.parametrize(
    ("odd", "declaration"),
    [("", ""), ("<!-- -->", ""), ("<n><m>1</m></n>", ""), ("", '<?xml version="1.1"?>')],
    ids=["known shape", "comment", "nested", "unusual prolog"],
)
def test_a_record_of_many_long_values_is_read(odd: str, declaration: str) -> None:
    """libxml2 bounds what it looks at in one go; each value here is well within its own limit."""
    fields = "".join(f"<f{n}>{'y' * 2**20}</f{n}>" for n in range(15))
    records = (f"<incident><number>{n}</number>{fields}{odd}</incident>" for n in range(2))
    found = read(read_xml, declaration.encode() + unload(*records))
    assert sum(chunk.records for chunk in found.chunks) == 2
    assert not [each for chunk in found.chunks for each in chunk.rejected]
