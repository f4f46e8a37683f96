"""Every record is accounted for once, or it is said how many are not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.migration.accounting import UNACCOUNTED, Account, unaccounted, unread
from domain.migration.job import Counts

NUMBERS = st.integers(0, 10_000)
COUNTS = st.builds(Counts, inserted=NUMBERS, updated=NUMBERS, skipped=NUMBERS, failed=NUMBERS)
BATCHES = st.integers(0, 50)


def account(counts: Counts, batches: int) -> Account:
    """The account of a complete job."""
    return Account(counts.processed, batches, frozenset(range(batches)), counts)


@given(COUNTS, BATCHES)
def test_what_adds_up_is_complete(counts: Counts, batches: int) -> None:
    assert unaccounted(account(counts, batches)) is None


@given(COUNTS, BATCHES, st.integers(-100, 100).filter(bool))
def test_no_record_is_too_few_or_too_many(counts: Counts, batches: int, by: int) -> None:
    whole = account(counts, batches)
    problem = unaccounted(replace(whole, records=whole.records + by))
    assert problem is not None
    assert (problem.code, problem.expected) == (UNACCOUNTED, counts.processed + by)
    assert problem.actual == counts.processed
    assert f"{counts.processed:,}" in problem.detail


@given(COUNTS, BATCHES.filter(bool), st.data())
def test_no_batch_is_missing_even_if_the_sum_is_right(
    counts: Counts, batches: int, data: st.DataObject
) -> None:
    gone = data.draw(st.integers(0, batches - 1))
    whole = account(counts, batches)
    held = whole.held - {gone}
    short = replace(whole, held=held)
    assert unaccounted(short) is not None
    assert short.missing(batches) == [gone]
    assert short.missing(gone) == []


@given(COUNTS, BATCHES)
def test_no_batch_is_there_that_the_run_does_not_have(counts: Counts, batches: int) -> None:
    whole = account(counts, batches)
    assert unaccounted(replace(whole, held=whole.held | {batches})) is not None


@given(COUNTS, BATCHES)
def test_a_run_from_before_is_judged_by_its_records(counts: Counts, batches: int) -> None:
    old = replace(account(counts, batches), batches=None)
    assert unaccounted(old) is None
    assert unaccounted(replace(old, records=old.records + 1)) is not None


@pytest.mark.parametrize(("valid", "invalid"), [(6, 3), (7, 4), (0, 0), (10, 1)])
def test_chunks_hold_what_was_parsed(valid: int, invalid: int) -> None:
    problem = unread(10, valid, invalid)
    assert problem is not None
    assert (problem.expected, problem.actual) == (10, valid + invalid)
    assert unread(valid + invalid, valid, invalid) is None
