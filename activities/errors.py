"""Translates the exceptions of all activities for Temporal, in one place.

Errors that no retry can mend are marked as final; Temporal retries all others. Workflow histories
keep failures, so only messages that cannot quote a record go there. Of any other error the history
gets the class name and the place in the code; the worker logs unexpected ones in full.
"""

from typing import Any

import asyncpg
from polars.exceptions import PanicException
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from domain.failures import BadInput, Problem, Unproven
from storage.migration.importing.ledger import Superseded
from storage.objects.store import ObjectChanged, ObjectNotFound, StorageUnavailable
from storage.postgres.database import DRIVER_ERRORS

# PostgreSQL answers a repeated statement with the same error, so a retry is pointless.
_FINAL_SQL = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,
)
_DATABASE = (SQLAlchemyError, *DRIVER_ERRORS)
# The messages of these errors are about servers and never quote a record.
_SERVERS = (StorageUnavailable, OSError, EOFError, RPCError)
_ATTEMPTS = 20  # about four minutes; then a fault of this program is final


class TranslateErrors(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Translate(next)


class _Translate(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except FailureError:
            raise
        except (Exception, PanicException) as error:  # polars derives it from BaseException
            raise translated(error).with_traceback(error.__traceback__) from None


def translated(error: Exception | PanicException) -> ApplicationError:
    """The ApplicationError that stands for `error` in workflow histories."""
    match error:
        case BadInput() | Unproven():
            return non_retryable(error.problem)
        case ObjectNotFound():
            return non_retryable(Problem(code="source_missing", detail="the stored file is gone"))
        case ObjectChanged():
            return non_retryable(
                Problem(
                    code="source_changed",
                    detail="the stored file is no longer the one that was uploaded",
                )
            )
        case Superseded():
            return non_retryable(Problem(code="superseded", detail=str(error)))
    if isinstance(error, _DATABASE):
        return _of_database(error)
    if isinstance(error, _SERVERS):
        name = type(error).__name__
        return ApplicationError(f"{name}: {error}", type=name)
    return _unexpected(error)


def non_retryable(problem: Problem) -> ApplicationError:
    """An error that Temporal does not retry, with the problem as its detail."""
    return ApplicationError(problem.detail, problem, type=problem.code, non_retryable=True)


def _unexpected(error: Exception | PanicException) -> ApplicationError:
    name = type(error).__name__
    activity.logger.error("unexpected %s", name, exc_info=error)
    detail = f"unexpected {name}; the worker's log has its message"
    if activity.info().attempt < _ATTEMPTS:
        return ApplicationError(detail, type=name)
    return non_retryable(Problem(code="internal_error", detail=detail))


def is_refused(error: Exception) -> bool:
    """Whether the database refuses the statement for good, and is not just unavailable."""
    return isinstance(_cause(error), (*_FINAL_SQL, asyncpg.SyntaxOrAccessError))


def _cause(error: Exception) -> object:
    """The driver's exception behind `error`."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _of_database(error: Exception) -> ApplicationError:
    """A database error by its class name only, since PostgreSQL's messages quote values."""
    cause = _cause(error)
    name = type(cause).__name__
    # If somebody else took a unique key meanwhile, the next attempt finds a known record.
    taken = isinstance(cause, asyncpg.UniqueViolationError)
    if isinstance(cause, _FINAL_SQL) and not (taken and activity.info().attempt < _ATTEMPTS):
        detail = f"PostgreSQL refused to store the data ({name})"
        return non_retryable(Problem(code="database_refused", detail=detail))
    return ApplicationError(f"PostgreSQL: {name}", type=name)
