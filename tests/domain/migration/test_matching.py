"""Matching rows to records, compared with a matching of one row after another."""

from itertools import pairwise

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from domain.migration.matching import Matching, matched
from domain.migration.tally import HELD, RecordTally, counted

Row = tuple[str, str | None]
Target = dict[str, str | None]

IDS, NUMBERS = st.sampled_from("vwxyA"), st.sampled_from(["A", "B", "C", None])
FILES = st.lists(st.tuples(IDS, NUMBERS), max_size=10)
TARGETS = st.dictionaries(st.sampled_from("tuvwAB"), NUMBERS, max_size=4)
CUTS = st.lists(st.integers(0, 10)).map(lambda cuts: sorted({0, 10, *cuts}))
HOW = st.builds(
    Matching, st.just("number"), st.sampled_from(["skip", "update", "refuse"]), st.booleans()
)


def frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"id": pl.String, "number": pl.String}, orient="row")


def held(target: Target, kept: set[str]) -> pl.DataFrame:
    rows = [(id, number, id in kept) for id, number in target.items()]
    return pl.DataFrame(rows, schema=HELD, orient="row")


def one_by_one(file: list[Row], target: Target, how: Matching, kept: set[str]) -> list[str]:
    """The rule as docs/migration.md tells it, a row at a time."""
    records, taken, found = dict(target), dict[str, str](), list[str]()
    for id, number in file:
        of_number = [] if number is None else [i for i, n in records.items() if n == number]
        record = id if id in records else taken.get(id)
        if record is None and len(of_number) == 1:
            record = taken[id] = of_number[0]
        if record is None:
            record = id
            records[record] = number
        elif how.duplicates == "update" and record not in kept and (number or how.empties):
            records[record] = number
        found.append(record)
    return found


@given(FILES, TARGETS, HOW, st.sets(st.sampled_from("tuvwAB")))
@example([("x", None), ("x", "A"), ("w", "A")], {}, Matching("number", "update"), set())
@example([("t", "B"), ("w", "A")], {"t": "A"}, Matching("number", "update"), set())
@example([("u", "B"), ("w", "A")], {"t": "A", "u": "A"}, Matching("number", "update"), set())
def test_all_rows_at_once_are_matched_as_one_by_one(
    file: list[Row], target: Target, how: Matching, edited: set[str]
) -> None:
    kept = edited & target.keys()
    assert matched(frame(file), held(target, kept), how).to_list() == one_by_one(
        file, target, how, kept
    )


@given(FILES, TARGETS, HOW, CUTS)
def test_a_file_is_counted_the_same_however_it_is_cut(
    file: list[Row], target: Target, how: Matching, cuts: list[int]
) -> None:
    tally = RecordTally(how)
    for start, end in pairwise(cuts):
        part = frame(file[start:end])
        rows = part.select(
            _row=pl.int_range(pl.len()) + start,
            source_id="id",
            external_id="number",
            content_hash=pl.lit(0, pl.Int64),
        )
        ids, numbers = set(part["id"]), set(part["number"].drop_nulls())
        some = {id: n for id, n in target.items() if id in ids or n in numbers}
        of_holders = {id: n for id, n in target.items() if n in numbers} | some
        tally.add(counted(rows), held(of_holders, set()))
    found, counted_so = one_by_one(file, target, how, set()), tally.settled()
    assert counted_so.duplicates == len(file) - len(set(found))
    assert counted_so.known == sum(record in target for record in found)
    assert counted_so.counts().inserted == len(set(found) - target.keys())


class TestWithoutId:
    """Unless the user says that numbers count, two ids are two records."""

    HOW = Matching("without_id", "skip")

    def of(self, row: Row, target: Target) -> str:
        return str(matched(frame([row]), held(target, set()), self.HOW)[0])

    def test_one_that_is_there_by_its_number_only_is_that_one(self) -> None:
        assert self.of(("x", "A"), {"A": "A"}) == "A"

    def test_one_that_has_only_its_number_is_the_one_that_is_there(self) -> None:
        assert self.of(("A", "A"), {"x": "A"}) == "x"

    def test_another_id_is_another_record(self) -> None:
        assert self.of(("x", "A"), {"y": "A"}) == "x"

    def test_of_two_that_have_the_number_neither_is_meant(self) -> None:
        assert self.of(("x", "A"), {"A": "A", "y": "A"}) == "x"

    def test_an_id_stays_with_its_record_also_without_the_number(self) -> None:
        rows = frame([("x", "A"), ("x", None)])
        assert matched(rows, held({"A": "A"}, set()), self.HOW).to_list() == ["A", "A"]


def test_where_numbers_do_not_count_every_id_is_its_own() -> None:
    assert matched(frame([("x", "A")]), held({"A": "A"}, set()), Matching()).to_list() == ["x"]


def test_hashes_are_matched_like_what_they_are_of() -> None:
    rows = frame([("x", "A"), ("w", "A"), ("x", "B")]).select(pl.all().hash())
    nothing = held({}, set()).with_columns(pl.col("id", "number").hash())
    found = matched(rows, nothing, Matching("number"))
    assert found.to_list() == [rows["id"][0]] * 3
