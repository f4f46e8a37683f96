"""What `firelater` commands say to people, where no server is needed for it."""

import pytest
from rich.console import Console

from commands.client import Api, Refused
from commands.migrate import show_preview, show_report

COUNTS = ("successfulRecords", "updatedRecords", "skippedRecords", "failedRecords")


def test_a_missing_key_is_named_before_anybody_is_asked() -> None:
    with pytest.raises(Refused, match="FIRELATER_API_KEY"):
        Api("http://127.0.0.1:1", "").get("/v1/migration")


def test_an_api_that_is_not_there_is_named_with_its_setting() -> None:
    with pytest.raises(Refused, match=r"127\.0\.0\.1:1 .*FIRELATER_URL"):
        Api("http://127.0.0.1:1", "key").get("/v1/migration")


@pytest.mark.parametrize(
    ("outcome", "told"), [("validation_failed", True), ("dry_run", False), ("completed", False)]
)
def test_the_way_on_is_told_where_bad_records_kept_all_from_being_imported(
    outcome: str, told: bool
) -> None:
    console = Console(width=200, record=True)
    job = {"status": "preview", "report": {"outcome": outcome}, "warnings": []}
    show_report(job | dict.fromkeys(COUNTS, 0), console)
    assert ("--continue-on-error" in console.export_text()) is told


def test_what_was_left_out_is_told_with_the_preview_and_with_the_report() -> None:
    console = Console(width=200, record=True)
    told = {"warnings": ["left out, as they are no records of this kind: 1 u_incident_ext"]}
    counts = ("totalRecords", "validRecords", "invalidRecords", "duplicateRecords")
    nothing = {"encoding": "utf-8", "remarks": [], "recommendations": []}
    show_preview(told | nothing | dict.fromkeys(counts, 0), console)
    show_report(told | {"status": "completed", "report": {}} | dict.fromkeys(COUNTS, 0), console)
    assert console.export_text().count("1 u_incident_ext") == 2
