"""ServiceNow: exports of its lists as CSV, JSON or XML, and replies of its Table API."""

from typing import TYPE_CHECKING

from sources.servicenow.entity_maps import ENTITY_MAPS
from sources.servicenow.stored_or_displayed import values_of
from sources.source import Source

if TYPE_CHECKING:
    from sources.readers.chunk import Reader


def _csv() -> "Reader":
    from sources.servicenow.csv_export import read_csv

    return read_csv


def _json() -> "Reader":
    from sources.servicenow.json_export import read_json

    return read_json


def _xml() -> "Reader":
    from sources.servicenow.xml_export import read_xml

    return read_xml


SERVICENOW = Source(
    system="servicenow",
    readers={"csv": _csv, "json": _json, "xml": _xml},
    entities=ENTITY_MAPS,
    identity="sys_id",
    labels_priorities=True,
    export_limit=10_000,  # the default of glide.csv.export.limit and its like
    # Vendor documentation: XML and JSON exports hold the stored UTC values; CSV and XLSX those
    # displayed to the exporting user, as does JSON of the Table API if it is asked for them.
    utc_formats=frozenset({"json", "xml"}),
    only_utc=frozenset({"xml"}),
    values_of=values_of,
)
