"""Time stamps as exports write them."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mapping.date_evidence import date_evidence
from domain.values.date_rules import DateEvidence, DateOrder, DateRules
from domain.values.dates import INSTANT, read_instants
from tests.domain.mapping.mapping_cases import a_frame, a_plan, to
from tests.domain.values import zone_table

_local = datetime.fromisoformat


def read(text: str | None, **rules: str) -> datetime | str | None:
    """The instant, or the code of the fault."""
    instants, faults = read_instants(pl.Series([text], dtype=pl.String), DateRules(**rules))  # type: ignore[arg-type]
    assert instants.dtype == INSTANT
    result: datetime | str | None = instants[0] if faults is None else faults[0]
    return result


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2024-11-12 16:40:28", "2024-11-12T16:40:28"),
        ("2024-11-12 16:40", "2024-11-12T16:40:00"),
        (" 2024-11-12 16:40:28 ", "2024-11-12T16:40:28"),
        ("2024-11-12T16:40:28Z", "2024-11-12T16:40:28"),
        ("2024-11-12T16:40:28.5Z", "2024-11-12T16:40:28.500000"),
        ("2024-01-01T10:00:00.000+0530", "2024-01-01T04:30:00"),
        ("2024-01-01T10:00:00-08:00", "2024-01-01T18:00:00"),
        ("2024-11-12 16:40:28.123456789", "2024-11-12T16:40:28.123456"),
        ("2024-11-12", "2024-11-12T00:00:00"),
        ("2024/1/2 3:04", "2024-01-02T03:04:00"),
        ("22.10.2025 11:53:33", "2025-10-22T11:53:33"),
        ("5.3.2016", "2016-03-05T00:00:00"),
        ("25/3/2016 16:14", "2016-03-25T16:14:00"),
        ("6/21/2025 16:14", "2025-06-21T16:14:00"),
        ("5/5/2025 12:01 AM", "2025-05-05T00:01:00"),
        ("5-5-2025 12:01:02 pm", "2025-05-05T12:01:02"),
        ("0999-01-01", "0999-01-01T00:00:00"),
        ("9999-12-31 23:59:59", "9999-12-31T23:59:59"),
    ],
)
def test_read(text: str, iso: str) -> None:
    assert read(text) == datetime.fromisoformat(iso).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("soon", "date_invalid"),
        ("2024-02-30 00:00:00", "date_invalid"),
        ("2024-13-01", "date_invalid"),
        ("2024-01-01 24:00", "date_invalid"),
        ("2024-01-01 13:00 PM", "date_invalid"),
        ("2024-01-01 00:00+99:00", "date_invalid"),
        ("20-01-01 00:00:00", "date_invalid"),
        ("1/2/24", "date_invalid"),
        ("13/13/2024", "date_invalid"),
        ("10:30", "date_invalid"),
        ("2024-01-01\0", "date_invalid"),
        ("99999-01-01", "date_out_of_range"),
        ("99999-01-01 00:00:00", "date_out_of_range"),
        ("1/2/99999", "date_out_of_range"),
        ("0000-01-01", "date_out_of_range"),
        ("0000-01-01 00:00:00", "date_out_of_range"),
        ("0001-01-01T00:00:00+01:00", "date_out_of_range"),
        ("5/3/2016", "date_ambiguous"),
        ("05-03-2016 10:00", "date_ambiguous"),
    ],
)
def test_refused(text: str, code: str) -> None:
    assert read(text) == code


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("7/25/2025, 3:42\u202fPM", "2025-07-25T15:42:00"),
        ("25.07.2025, 15:42:00", "2025-07-25T15:42:00"),
        ("7/25/2025\u00a03:42\u00a0PM", "2025-07-25T15:42:00"),
        ("\u200e25/07/2025 \u200f15:42", "2025-07-25T15:42:00"),
        ("\ufeff2025-07-25\u2009 15:42", "2025-07-25T15:42:00"),
        ("2025-07-25 10:15:00+00", "2025-07-25T10:15:00"),
        ("2025-07-25 10:15:00.123456-03", "2025-07-25T13:15:00.123456"),
        ("2025-07-25 10:15:00 UTC+2", "2025-07-25T08:15:00"),
        ("2025-07-25 10:15:00 GMT-0330", "2025-07-25T13:45:00"),
        ("2025-07-25 10:15:00 gmt", "2025-07-25T10:15:00"),
    ],
)
def test_as_browsers_and_databases_write_it(text: str, iso: str) -> None:
    assert read(text) == datetime.fromisoformat(iso).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "result"),
    [
        ("2025-07-25 10:00 PDT", "America/Los_Angeles", "2025-07-25T17:00:00"),
        ("2025-01-25 10:00:00 pst", "America/Los_Angeles", "2025-01-25T18:00:00"),
        ("2025-11-02 01:30 PDT", "America/Los_Angeles", "2025-11-02T08:30:00"),
        ("2025-11-02 01:30 PST", "America/Los_Angeles", "2025-11-02T09:30:00"),
        ("25.07.2025 10:00 CEST", "Europe/Berlin", "2025-07-25T08:00:00"),
        ("2025-07-25 10:00 CST", "Asia/Shanghai", "2025-07-25T02:00:00"),
        ("2025-01-25 10:00 CST", "America/Chicago", "2025-01-25T16:00:00"),
        ("2025-07-25 10:00 PST", "America/Los_Angeles", "date_zone_unknown"),
        ("2025-07-25 10:00 PDT", "America/New_York", "date_zone_unknown"),
        ("2025-07-25 10:00 PDT", "UTC", "date_zone_unknown"),
        ("2025-07-25 10:00 UTC", "Europe/Berlin", "2025-07-25T10:00:00"),
        ("2025-07-25 10:00 maybe", "Europe/Berlin", "date_zone_unknown"),
        ("2025-02-30 10:00 CET", "Europe/Berlin", "date_invalid"),
    ],
)
def test_a_zones_short_name_is_sure_by_its_place(text: str, zone: str, result: str) -> None:
    found = read(text, zone=zone)
    assert (found if isinstance(found, str) else f"{found:%Y-%m-%dT%H:%M:%S}") == result


@pytest.mark.parametrize("text", [None, "", "  ", "\u00a0", "\ufeff "])
def test_nothing_is_no_fault(text: str | None) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("order", "result"),
    [("dmy", datetime(2016, 3, 5, tzinfo=UTC)), ("mdy", datetime(2016, 5, 3, tzinfo=UTC))],
)
def test_the_order_settles_a_date(order: DateOrder, result: datetime) -> None:
    assert read("5/3/2016", order=order) == result
    assert read("5.3.2016", order=order) == result
    assert read("5.3.2016 10:00:00", order=order) == result.replace(hour=10)
    assert read("2016-03-05", order=order) == datetime(2016, 3, 5, tzinfo=UTC)


def test_the_order_also_refuses() -> None:
    assert read("25/3/2016", order="mdy") == "date_invalid"
    assert read("5/3/2016", order="ymd") == "date_invalid"
    assert read("25.3.2016", order="mdy") == "date_invalid"
    assert read("5.3.2016 10:00:00", order="ymd") == "date_invalid"


@pytest.mark.parametrize(
    ("form", "text", "iso"),
    [
        ("%d/%b/%y %I:%M %p", "14/Jul/25 3:42 PM", "2025-07-14T15:42:00"),
        ("%d/%m/%Y", "5/3/2016", "2016-03-05T00:00:00"),
        ("%Y%m%d%H%M%S.%f", "20240102030405.25", "2024-01-02T03:04:05.250000"),
        ("%d %B %Y %H:%M %z", "2 January 2024 10:00 +0200", "2024-01-02T08:00:00"),
        ("%Y-%m-%d %H:%M:%S%z", "2025-07-25 10:15:00+02", "2025-07-25T08:15:00"),
        ("%Y-%m-%dT%H:%M:%S%z", "2025-07-25T10:15:00Z", "2025-07-25T10:15:00"),
        ("%d/%m/%Y %H:%M", " 01/02/2025 10:00\u00a0", "2025-02-01T10:00:00"),
        ("%d/%m/%Y", "1/2/0999", "0999-02-01T00:00:00"),
        ("%m/%d/%Y %I:%M %p", "7/25/2025 3:42\u202fPM", "2025-07-25T15:42:00"),
        ("epoch", "1753436520", "2025-07-25T09:42:00"),
        ("epoch", "1753436520.25", "2025-07-25T09:42:00.250000"),
        ("epoch", "-1", "1969-12-31T23:59:59"),
        ("epoch_ms", "1753436520123", "2025-07-25T09:42:00.123000"),
        ("excel", "45863.6541666667", "2025-07-25T15:42:00"),
        ("excel", "61", "1900-03-01T00:00:00"),
    ],
)
def test_a_format_replaces_detection(form: str, text: str, iso: str) -> None:
    assert read(text, format=form) == datetime.fromisoformat(iso).replace(tzinfo=UTC)
    assert read("2024-01-02 03:04:05", format=form) == "date_invalid"
    assert read(" ", format=form) is None


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d/%m/%Y %H:%M", "1/2/25 10:00"),
        ("%d/%m/%Y", "1/2/5"),
        ("%Y-%m-%dT%H:%M:%S%z", "25-07-25T10:15:00+0025"),
        ("epoch", "2025-07-25"),
        ("epoch", "1e9"),
        ("epoch", "9300000000000"),  # more microseconds than 64 bits hold
        ("epoch", "-9300000000000"),
        ("epoch_ms", "99999999999999999"),
        ("excel", "60"),
        ("excel", "0.5"),
        ("excel", "#####"),
    ],
)
def test_a_format_is_taken_at_its_word(form: str, text: str) -> None:
    assert read(text, format=form) == "date_invalid"


def test_a_spreadsheet_counts_the_time_of_its_place() -> None:
    rules = {"format": "excel", "zone": "Europe/Berlin"}
    assert read("45863.5", **rules) == datetime(2025, 7, 25, 10, tzinfo=UTC)


class TestZones:
    def test_summer_and_winter(self) -> None:
        assert read("2024-07-01 12:00:00", zone="Europe/Berlin") == datetime(
            2024, 7, 1, 10, tzinfo=UTC
        )
        assert read("2024-01-01 12:00:00", zone="Europe/Berlin") == datetime(
            2024, 1, 1, 11, tzinfo=UTC
        )

    def test_a_zone_in_the_value_goes_first(self) -> None:
        assert read("2024-07-01 12:00Z", zone="Europe/Berlin") == datetime(
            2024, 7, 1, 12, tzinfo=UTC
        )

    def test_an_instant_beyond_the_last_year_is_refused(self) -> None:
        assert read("9999-12-31 23:59:59", zone="America/New_York") == "date_out_of_range"

    @given(
        st.datetimes(_local("1950-01-01"), _local("2037-01-01")),
        st.sampled_from(
            ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
        ),
        st.sampled_from(["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %I:%M:%S %p"]),
    )
    def test_as_pythons_zoneinfo_has_it(self, local: datetime, zone: str, form: str) -> None:
        local = local.replace(microsecond=0)
        assert read(local.strftime(form), zone=zone) == zone_table.instant(local, zone)

    @pytest.mark.parametrize(
        ("zone", "text", "iso"),
        [
            ("Europe/Berlin", "2024-03-31 02:30:00", "2024-03-31T01:30"),
            ("Europe/Berlin", "2024-10-27 02:30:00", "2024-10-27T00:30"),
            ("Pacific/Apia", "2011-12-30 10:00:00", "2011-12-30T20:00"),
        ],
    )
    def test_an_hour_that_came_never_or_twice(self, zone: str, text: str, iso: str) -> None:
        assert read(text, zone=zone) == _local(iso).replace(tzinfo=UTC)
        assert read(text.replace("-", "/"), zone=zone) == _local(iso).replace(tzinfo=UTC)


@given(
    st.datetimes(_local("0001-01-02"), _local("9999-12-30")),
    st.integers(-15 * 60, 15 * 60).map(lambda minutes: timedelta(minutes=minutes)),
)
def test_an_offset_is_exact(local: datetime, ahead: timedelta) -> None:
    total = int(ahead.total_seconds()) // 60
    offset = f"{'-' if total < 0 else '+'}{abs(total) // 60:02}:{abs(total) % 60:02}"
    assert read(local.isoformat() + offset) == (local - ahead).replace(tzinfo=UTC)


class TestEvidence:
    def evidence(self, *texts: str) -> DateEvidence:
        return date_evidence(a_frame(*({"x": text} for text in texts)), a_plan(to("due_at")))

    def test_counts_each_reading(self) -> None:
        found = self.evidence("25/3/2016", "3/25/2016 10:00", "5/3/2016", "5/5/2016", "2016-05-03")
        assert found == DateEvidence(dmy=1, mdy=1, ambiguous=1)

    @pytest.mark.parametrize(
        ("evidence", "is_decisive"),
        [
            (DateEvidence(mdy=1, dotted=1), True),
            (DateEvidence(dmy=1, dotted=1), False),  # they are day first by themselves
            (DateEvidence(dmy=1, mdy=1, dotted=1, ambiguous=1), False),
            (DateEvidence(dmy=1, ambiguous=1), True),
            (DateEvidence(dotted=1, ambiguous=1), False),
        ],
    )
    def test_an_order_is_settled_where_it_makes_another_date(
        self, evidence: DateEvidence, is_decisive: bool
    ) -> None:
        assert evidence.is_decisive is is_decisive

    def test_dates_with_dots_tell_their_order_and_need_none(self) -> None:
        found = self.evidence("25.03.2016", "03.25.2016 10:00", "5.3.2016", "5.5.2016")
        assert found == DateEvidence(dmy=1, mdy=1, dotted=1)

    def test_what_only_fills_gaps_counts_too(self) -> None:
        plan = a_plan(to("due_at", fallbackFields=["y"]))
        assert date_evidence(a_frame({"y": "25/3/2016"}), plan) == DateEvidence(dmy=1)

    def test_what_is_not_seen_does_not_hide_a_date(self) -> None:
        assert self.evidence("\u200e25/3/2016", "3/25/2016\u202f10:00") == DateEvidence(1, 1)

    def test_with_a_format_for_all_there_is_none(self) -> None:
        plan = a_plan(to("due_at"), dateFormat="%m/%d/%Y")
        assert date_evidence(a_frame({"x": "3/25/2016"}), plan) == DateEvidence()

    def test_a_field_with_a_format_of_its_own_is_none(self) -> None:
        plan = a_plan(to("due_at", date_format="%m/%d/%Y"))
        assert date_evidence(a_frame({"x": "3/25/2016"}), plan) == DateEvidence()

    def test_one_clear_date_decides_for_the_file(self) -> None:
        parts = [self.evidence("5/3/2016"), self.evidence("25/3/2016")]
        whole = DateEvidence.total(parts)
        assert (whole.order, whole.undecided) == ("dmy", False)
        assert (parts[0].order, parts[0].undecided) == (None, True)

    def test_dates_that_contradict_decide_nothing(self) -> None:
        assert self.evidence("25/3/2016", "3/25/2016", "5/3/2016").undecided

    def test_dates_in_text_columns_count_too(self) -> None:
        plan = a_plan(to("category", transformation="date"))
        assert date_evidence(a_frame({"x": "25/3/2016"}), plan) == DateEvidence(dmy=1)

    def test_other_dates_are_no_evidence(self) -> None:
        assert self.evidence("2016-03-25", "25.03.16", "25/03/16", "") == DateEvidence()
