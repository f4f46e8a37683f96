"""Properties that hold for every batch, whatever its content."""

import json

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from domain.mapping.columns import map_columns
from tests.domain.mapping.mapping_cases import HOSTILE, a_frame, a_plan, to

PLAN = a_plan(
    to("external_id", "n"),
    to("category", "c", transformation="trim"),
    to("due_at", "d"),
    to("active", "a"),
    to("impact", "i", defaultValue="3"),
    nullValues=["NULL"],
    zone="Europe/Berlin",
)
DATES = st.sampled_from(["2020-01-02 03:04:05", "2.1.2020", "2020-01-02T03:04Z", "31/1/2020", ""])
TRUTHS = st.sampled_from(["true", "no", "NULL"])
OPTIONAL = st.none() | HOSTILE
RECORD = st.fixed_dictionaries(
    dict.fromkeys(("n", "c", "i", "u_1", 'u"2', "u\\3", "ü,{"), OPTIONAL)
    | {"d": DATES | DATES | DATES | HOSTILE, "a": TRUTHS | TRUTHS | TRUTHS | HOSTILE},
    optional={"title": HOSTILE, "status": HOSTILE, "priority": HOSTILE, "sys_id": OPTIONAL},
)
FRAMES = st.lists(RECORD, min_size=1, max_size=12).map(lambda records: a_frame(*records))
KEPT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(FRAMES)
def test_mapping_twice_gives_the_same(frame: pl.DataFrame) -> None:
    once, twice = map_columns(frame, PLAN), map_columns(frame, PLAN)
    assert once.rows.equals(twice.rows)
    assert once.rejected == twice.rejected


@given(FRAMES, st.integers(0, 12))
def test_it_does_not_matter_where_a_batch_ends(frame: pl.DataFrame, end: int) -> None:
    whole = map_columns(frame, PLAN)
    parts = [map_columns(part, PLAN) for part in (frame.head(end), frame.slice(end))]
    assert pl.concat([part.rows for part in parts]).equals(whole.rows)
    assert [each for part in parts for each in part.rejected] == whole.rejected


@given(FRAMES)
def test_every_row_is_imported_or_rejected(frame: pl.DataFrame) -> None:
    result = map_columns(frame, PLAN)
    imported, rejected = set(result.rows["_row"]), {each.row for each in result.rejected}
    assert imported | rejected == set(frame["_row"])
    assert not imported & rejected
    assert result.rows["source_id"].null_count() == 0


@given(st.lists(st.dictionaries(KEPT, KEPT, max_size=4), min_size=1, max_size=6))
def test_hostile_text_survives_into_custom(records: list[dict[str, str]]) -> None:
    plan = a_plan()
    taken = {"_row", "sys_id", "title", "status", "priority"}
    records = [{k: v for k, v in record.items() if k not in taken} for record in records]
    customs = map_columns(a_frame(*records), plan).rows["custom"]
    assert [json.loads(text) if text else {} for text in customs] == records
