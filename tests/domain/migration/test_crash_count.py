"""When a job is isolated in a process of its own, and when it is given up."""

from hypothesis import given
from hypothesis import strategies as st

from domain.migration.crash_count import Starts

PARSE, CHECK, IMPORT = "parse", "check", "import"


def dying(starts: Starts, times: int, done: int = 0) -> Starts:
    """That many workers begin the work, and die."""
    for number in range(times):
        starts = starts.begun(IMPORT, done, f"{number}/{done}/{starts.shared_deaths}")
    return starts


def test_the_third_start_after_two_deaths_is_alone() -> None:
    assert not dying(Starts(), 2).alone
    assert dying(Starts(), 3).alone


def test_a_death_after_progress_does_not_count() -> None:
    """A kill -9 now and then, each time some batches further, never sets a job apart."""
    starts = Starts()
    for done in range(100):
        starts = dying(starts, 1, done)
    assert (starts.alone, starts.shared_deaths) == (False, 0)


def test_an_end_that_somebody_can_tell_of_is_no_death() -> None:
    starts = Starts()
    for number in range(50):
        starts = starts.begun(IMPORT, 0, f"{number}").ended(f"{number}", completed=False)
    assert (starts.alone, starts.shared_deaths) == (False, 0)


def test_an_orderly_error_between_two_deaths_keeps_their_count() -> None:
    starts = dying(Starts(), 2).ended("1/0/0", completed=False)
    assert starts.shared_deaths == 1
    assert dying(starts, 2).shared_deaths == 2


def test_a_process_that_lives_has_not_died_of_its_last_start() -> None:
    """Its end could not be recorded: PostgreSQL was away, and Temporal missed a heartbeat."""
    starts = Starts()
    for _ in range(50):
        starts = starts.begun(IMPORT, 0, "the same")
    assert (starts.alone, starts.shared_deaths) == (False, 0)


def test_other_work_of_the_job_begins_with_a_clean_sheet() -> None:
    starts = dying(Starts(), 2).begun(CHECK, 0, "x")
    assert (starts.work, starts.shared_deaths, starts.alone) == (CHECK, 0, False)


def test_alone_once_it_stays_so_over_other_work_and_success() -> None:
    starts = dying(Starts(), 3).ended("x", completed=True).begun(CHECK, 0, "y")
    assert starts.alone
    assert starts.begun(IMPORT, 7, "z").alone


def test_the_death_of_a_worker_that_only_watches_proves_nothing() -> None:
    starts = dying(Starts(), 3)
    for number in range(50):
        starts = starts.begun(IMPORT, 0, f"again {number}")
    assert (starts.own_deaths, starts.hopeless) == (0, False)


def test_three_deaths_alone_without_progress_are_hopeless() -> None:
    starts = dying(Starts(), 3).died(IMPORT, 0).begun(IMPORT, 0, "x").died(IMPORT, 0)
    assert not starts.hopeless
    assert starts.died(IMPORT, 1).own_deaths == 1, "it got further meanwhile"
    assert starts.begun(IMPORT, 0, "y").died(IMPORT, 0).hopeless


def test_an_end_of_another_process_does_not_hide_who_works_now() -> None:
    """A worker that was frozen comes back and ends, while another one has taken over."""
    starts = Starts().begun(IMPORT, 0, "frozen").begun(IMPORT, 0, "second")
    assert starts.ended("frozen", completed=False).open == "second"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begun", "ended", "failed"]), st.integers(0, 3), st.sampled_from("ab")
    ),
    max_size=40,
)


@given(STEPS)
def test_only_deaths_alone_ever_end_a_job(steps: list[tuple[str, int, str]]) -> None:
    starts = Starts()
    for step, done, process in steps:
        if step == "begun":
            starts = starts.begun(IMPORT, done, process)
        else:
            starts = starts.ended(process, completed=step == "ended")
        assert not starts.hopeless
