"""Counting a file against a plain model of an import."""

from collections import Counter
from collections.abc import Collection
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from domain.migration.job import Counts, Duplicates
from domain.migration.matching import Matching
from domain.migration.tally import HELD, RecordTally, Tally, counted

IDS, CONTENTS = st.sampled_from("abc"), st.integers(1, 3)
FILES = st.lists(st.tuples(IDS, CONTENTS), max_size=15)
TARGETS = st.dictionaries(IDS, CONTENTS)
CUTS = st.lists(st.integers(0, 15)).map(lambda cuts: sorted({0, 15, *cuts}))
File = list[tuple[str, int]]
ROWS = {"_row": pl.Int64, "source_id": pl.String, "content_hash": pl.Int64}


def tally_of(
    file: File,
    target: dict[str, int],
    cuts: list[int],
    duplicates: Duplicates = "skip",
    kept: Collection[str] = (),
) -> Tally:
    tally = RecordTally(Matching(duplicates=duplicates))
    for start, end in pairwise(cuts):
        part = file[start:end]
        numbered = [(start + place, *record) for place, record in enumerate(part)]
        rows = pl.DataFrame(numbered, schema=ROWS, orient="row")
        held = [(id, None, id in kept) for id in {id for id, _ in part} & target.keys()]
        changes = pl.Series([target.get(id) != content for id, content in part], dtype=pl.Boolean)
        tally.add(counted(rows), pl.DataFrame(held, schema=HELD, orient="row"), changes)
    return tally.settled()


def modelled(
    file: File, target: dict[str, int], duplicates: Duplicates, kept: Collection[str] = ()
) -> Counts:
    held, counts = dict(target), Counter[str]()
    for source_id, content in file:
        if source_id not in held:
            held[source_id], outcome = content, "inserted"
        elif duplicates == "refuse":
            outcome = "failed"
        elif duplicates == "skip" or held[source_id] == content or source_id in kept:
            outcome = "skipped"
        else:
            held[source_id], outcome = content, "updated"
        counts[outcome] += 1
    return Counts.model_validate(counts)


@given(FILES, TARGETS, CUTS, st.sampled_from(["skip", "update", "refuse"]), st.sets(IDS))
def test_counts_are_those_of_a_row_by_row_import(
    file: File, target: dict[str, int], cuts: list[int], duplicates: Duplicates, edited: set[str]
) -> None:
    kept = edited & target.keys()
    tally = tally_of(file, target, cuts, duplicates, kept)
    counts = tally.counts()
    assert counts == modelled(file, target, duplicates, kept)
    assert len(tally.repeated()) == len(file) - counts.inserted
    assert tally.duplicates == len(file) - len({source_id for source_id, _ in file})


def test_nothing_exists_unless_said_so() -> None:
    tally = RecordTally(Matching(duplicates="update"))
    rows = {"_row": [1, 2], "source_id": ["a", "b"], "content_hash": [1, 2]}
    tally.add(counted(pl.DataFrame(rows)))
    assert tally.settled().counts() == Counts(inserted=2)


def test_a_file_without_records_counts_nothing() -> None:
    assert RecordTally().settled().counts() == Counts()
    assert RecordTally().settled().duplicates == 0
