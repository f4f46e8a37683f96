"""Public files of other projects, read from ../shared if that is present."""

import json
from pathlib import Path

import pytest

from sources.servicenow.json_export import read_json
from sources.servicenow.xml_export import read_xml
from tests.sources.reading import read, refusal

EXPORTS = ["incident", "sys_user", "core_company", "cmn_department", "cmn_location"]
REPLIES = ["incident-response", "change-request-response", "inc", "incident"]
WITHOUT_DTD = {"simple.xml", "simple-ns.xml", "xalan_exec.xsl", "xalan_write.xsl"}


@pytest.mark.parametrize("name", EXPORTS)
def test_json_exports_read_as_they_are(shared_dir: Path, name: str) -> None:
    content = (shared_dir / f"data/servicenow/users_companies/{name}.json").read_bytes()
    expected = [{n: v for n, v in each.items() if v is not None} for each in json.loads(content)]
    assert read(read_json, content, table=name).values == expected


@pytest.mark.parametrize("name", REPLIES)
def test_table_api_replies_give_the_values_of_references(shared_dir: Path, name: str) -> None:
    content = (shared_dir / f"data/servicenow/table_api/{name}.json").read_bytes()
    expected = [
        {
            field: value["value"] if isinstance(value, dict) else value
            for field, value in record.items()
        }
        for record in json.loads(content)["result"]
    ]
    found = read(read_json, content).values
    assert len(found) == len(expected)
    for row, record in zip(found, expected, strict=True):
        assert record.items() <= row.items()
        assert {each.removesuffix(".link") for each in row.keys() - record.keys()} <= record.keys()


def test_attack_files_are_refused(shared_dir: Path) -> None:
    samples = shared_dir / "data/parser_cases/defusedxml_samples/xmltestdata"
    codes = {path.name: refusal(read_xml, path.read_bytes()).code for path in samples.iterdir()}
    assert len(codes) > len(WITHOUT_DTD)
    assert codes == {
        name: "no_records_found" if name in WITHOUT_DTD else "xml_dtd_forbidden" for name in codes
    }
