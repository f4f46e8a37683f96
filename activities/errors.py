"""Translates exceptions for Temporal, once, for every activity.

What is final is said to be (no retry); everything else is retried. Messages of the database are
left out: they quote values, and failures are kept in workflow histories.
"""

from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from domain.failures import BadInput, Problem
from storage.ledger import Superseded
from storage.objects import ObjectChanged, ObjectNotFound

_FINAL_SQL = (
    asyncpg.DataError,
    asyncpg.CheckViolationError,
    asyncpg.NotNullViolationError,
    asyncpg.ProgramLimitExceededError,
)


class TranslateErrors(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Translate(next)


class _Translate(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except BadInput as error:
            raise final(error.problem) from None
        except ObjectNotFound:
            problem = Problem(code="source_missing", detail="the stored file is no longer there")
            raise final(problem) from None
        except ObjectChanged:
            problem = Problem(code="source_changed", detail="the stored file is another one now")
            raise final(problem) from None
        except Superseded as error:
            raise final(Problem(code="superseded", detail=str(error))) from None
        except (DBAPIError, asyncpg.PostgresError) as error:
            raise _of_database(error) from None


def final(problem: Problem) -> ApplicationError:
    """An error that no retry will mend, with the problem as its detail."""
    return ApplicationError(problem.detail, problem, type=problem.code, non_retryable=True)


def _of_database(error: DBAPIError | asyncpg.PostgresError) -> ApplicationError:
    cause: object = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig.__cause__ or error.orig
    name = type(cause).__name__
    return ApplicationError(
        f"PostgreSQL: {name}", type=name, non_retryable=isinstance(cause, _FINAL_SQL)
    )
