"""What a history keeps of an activity's failure, and whether the activity is retried."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest
from polars.exceptions import PanicException
from sqlalchemy.exc import DBAPIError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from activities.errors import TranslateErrors, translated
from domain.failures import BadInput, Problem
from storage.migration.importing.ledger import Superseded
from storage.objects.store import ObjectChanged, ObjectNotFound, StorageUnavailable


def translate(error: Exception, attempt: int = 1) -> ApplicationError:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt)
    found: ApplicationError = environment.run(translated, error)
    return found


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadInput("csv_unclosed_quote", "a quote is not closed", line=7), "csv_unclosed_quote"),
        (ObjectNotFound("key"), "source_missing"),
        (ObjectChanged("key"), "source_changed"),
        (Superseded("job 1 has left run 2"), "superseded"),
        (asyncpg.RaiseError("canary"), "database_refused"),
        (asyncpg.CheckViolationError("canary"), "database_refused"),
        (asyncpg.StringDataRightTruncationError("canary"), "database_refused"),
    ],
)
def test_an_error_that_no_retry_can_repair_is_final(error: Exception, code: str) -> None:
    found = translate(error)
    assert (found.type, found.non_retryable) == (code, True)
    (problem,) = found.details
    assert isinstance(problem, Problem)
    assert problem.code == code


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DeadlockDetectedError("canary"),
        asyncpg.CannotConnectNowError("canary"),
        asyncpg.ConnectionDoesNotExistError("canary"),
        asyncpg.InterfaceError("canary"),
        asyncpg.InternalClientError("canary"),
        ConnectionRefusedError(111, "Connection refused"),
        TimeoutError(),
        asyncio.IncompleteReadError(b"", 5),
        StorageUnavailable("the store is down"),
    ],
)
def test_an_outage_is_waited_for(error: Exception) -> None:
    found = translate(error, attempt=1000)
    assert (found.type, found.non_retryable) == (type(error).__name__, False)


def test_a_key_that_is_taken_again_and_again_is_final_in_the_end() -> None:
    first = translate(asyncpg.UniqueViolationError("canary"))
    assert (first.type, first.non_retryable) == ("UniqueViolationError", False)
    last = translate(asyncpg.UniqueViolationError("canary"), attempt=20)
    assert (last.type, last.non_retryable) == ("database_refused", True)
    assert "canary" not in last.message


def test_the_store_says_what_is_wrong_with_it() -> None:
    assert "the bucket is full" in translate(StorageUnavailable("the bucket is full")).message


def test_the_database_s_own_error_is_found_in_sqlalchemy_s() -> None:
    inner = RuntimeError("translated by the dialect")
    inner.__cause__ = asyncpg.CheckViolationError("canary")
    found = translate(DBAPIError("insert canary", {"title": "canary"}, inner))
    assert found.type == "database_refused"
    assert "CheckViolationError" in found.message


@pytest.mark.parametrize(
    "error", [ValueError("canary"), KeyError("canary"), asyncpg.RaiseError("canary")]
)
def test_messages_that_may_quote_a_record_stay_here(error: Exception) -> None:
    found = translate(error)
    assert "canary" not in f"{found} {found.details} {found.__cause__}"


def test_a_fault_of_ours_is_logged_and_ends_some_day(caplog: pytest.LogCaptureFixture) -> None:
    first, last = translate(ValueError("canary")), translate(ValueError("canary"), attempt=20)
    assert (first.type, first.non_retryable) == ("ValueError", False)
    assert (last.type, last.non_retryable) == ("internal_error", True)
    assert "ValueError: canary" in caplog.text


class Panicking(ActivityInboundInterceptor):
    def __init__(self) -> None:
        """An activity whose library raises something that is not an `Exception`."""

    async def execute_activity(self, input: ExecuteActivityInput) -> None:
        raise PanicException("index out of bounds: canary")


async def test_a_panic_of_polars_is_a_fault_like_any_other() -> None:
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=20)
    run = TranslateErrors().intercept_activity(Panicking()).execute_activity
    order = ExecuteActivityInput(fn=lambda: None, args=(), executor=None, headers={})
    with pytest.raises(ApplicationError) as caught:
        await environment.run(run, order)
    assert (caught.value.type, caught.value.non_retryable) == ("internal_error", True)
    assert "canary" not in caught.value.message
