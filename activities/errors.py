"""Translates exceptions for Temporal, once, for every activity.

What is final is said to be (no retry); everything else is retried. Failures are kept in workflow
histories, so only messages that cannot quote a record go there: of everything else the history
gets the name and the place in the code, and this worker's log the rest.
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
from storage.migration.ledger import Superseded
from storage.objects.store import ObjectChanged, ObjectNotFound, StorageUnavailable
from storage.postgres.database import DRIVER_ERRORS

# What PostgreSQL will refuse again, however often it is asked.
_FINAL_SQL = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,
)
_DATABASE = (SQLAlchemyError, *DRIVER_ERRORS)
# Their messages are about servers, not records.
_SERVERS = (StorageUnavailable, OSError, EOFError, RPCError)
_ATTEMPTS = 20  # about four minutes; a fault of this program is not mended by trying for ever


class TranslateErrors(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Translate(next)


class _Translate(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except FailureError:
            raise
        except (Exception, PanicException) as error:  # the latter is no Exception to Python
            raise translated(error).with_traceback(error.__traceback__) from None


def translated(error: Exception | PanicException) -> ApplicationError:
    """The error as histories may keep it."""
    match error:
        case BadInput() | Unproven():
            return non_retryable(error.problem)
        case ObjectNotFound():
            return non_retryable(Problem(code="source_missing", detail="the stored file is gone"))
        case ObjectChanged():
            return non_retryable(
                Problem(code="source_changed", detail="the stored file is another one")
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
    """An error that no retry will mend, with the problem as its detail."""
    return ApplicationError(problem.detail, problem, type=problem.code, non_retryable=True)


def _unexpected(error: Exception | PanicException) -> ApplicationError:
    name = type(error).__name__
    activity.logger.error("unexpected %s", name, exc_info=error)
    detail = f"unexpected {name}; the worker's log has its message"
    if activity.info().attempt < _ATTEMPTS:
        return ApplicationError(detail, type=name)
    return non_retryable(Problem(code="internal_error", detail=detail))


def is_refused(error: Exception) -> bool:
    """Whether the database would say no again, and is not only away for a while."""
    return isinstance(_cause(error), (*_FINAL_SQL, asyncpg.SyntaxOrAccessError))


def _cause(error: Exception) -> object:
    """What the driver raised."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def _of_database(error: Exception) -> ApplicationError:
    """Messages of the database quote values, so its errors go by their names."""
    cause = _cause(error)
    name = type(cause).__name__
    # A unique key that somebody else took meanwhile is a known record at the next attempt.
    taken = isinstance(cause, asyncpg.UniqueViolationError)
    if isinstance(cause, _FINAL_SQL) and not (taken and activity.info().attempt < _ATTEMPTS):
        detail = f"PostgreSQL refused what was to be written ({name})"
        return non_retryable(Problem(code="database_refused", detail=detail))
    return ApplicationError(f"PostgreSQL: {name}", type=name)
