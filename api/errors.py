"""Errors as RFC 9457 problem details: one shape, a stable `code`, nothing of the input echoed."""

from http import HTTPStatus
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from temporalio.service import RPCError

from domain.failures import BadInput, Problem

# Refusals that are not simply "the content is wrong" (422).
_STATUS = {
    "file_missing": 400,
    "field_after_file": 400,
    "too_many_parts": 400,
    "multipart_invalid": 400,
    "upload_too_slow": 408,
    "file_too_large": 413,
    "form_field_too_large": 413,
    "compressed_unsupported": 415,
    "format_unsupported": 415,
}


class ApiError(Exception):
    """A refusal with its HTTP status; `more` are further members of the problem."""

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.more = status, code, detail, more


def not_found(what: str) -> ApiError:
    return ApiError(404, "not_found", f"there is no such {what}")


def problem_response(
    status: int, code: str, detail: str, headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    body = {
        "type": f"urn:firelater:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def bad_input_response(problem: Problem, **more: Any) -> JSONResponse:
    """A file's problem, with its place, under the status that fits its code."""
    place = problem.model_dump(by_alias=True, exclude_none=True, exclude={"code", "detail"})
    status = _STATUS.get(problem.code, 422)
    return problem_response(status, problem.code, problem.detail, **place, **more)


def pointer(location: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901) from pydantic's location of an error."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def validation_errors(error: ValidationError | RequestValidationError, skip: int = 0) -> list[Any]:
    return [
        {"pointer": pointer(each["loc"][skip:]), "detail": each["msg"]} for each in error.errors()
    ]


def install(app: FastAPI) -> None:
    """Teach the app to answer every exception as a problem."""

    @app.exception_handler(ApiError)
    async def api_error(_: Request, error: ApiError) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return problem_response(error.status, error.code, error.detail, headers, **error.more)

    @app.exception_handler(BadInput)
    async def bad_input(_: Request, error: BadInput) -> JSONResponse:
        return bad_input_response(error.problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        detail = "the request does not have the expected form"
        return problem_response(
            422, "invalid_request", detail, errors=validation_errors(error, skip=1)
        )

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        headers = dict(error.headers) if error.headers else None
        return problem_response(error.status_code, code, str(error.detail), headers)

    @app.exception_handler(DBAPIError)
    async def database_error(_: Request, error: DBAPIError) -> JSONResponse:
        if error.connection_invalidated or not isinstance(error.orig, asyncpg.PostgresError):
            return _unavailable("PostgreSQL")
        raise error

    @app.exception_handler(OSError)
    async def connection_error(_: Request, error: OSError) -> JSONResponse:
        return _unavailable("a server this service depends on")

    @app.exception_handler(RPCError)
    async def temporal_error(_: Request, error: RPCError) -> JSONResponse:
        return _unavailable("Temporal")


def _unavailable(what: str) -> JSONResponse:
    detail = f"{what} cannot be reached at the moment; nothing was changed"
    return problem_response(503, "unavailable", detail, {"Retry-After": "5"})
