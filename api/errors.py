"""Answers every error as RFC 9457 problem details, with a stable `code`, and without quoting the
input."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy import exc
from starlette.exceptions import HTTPException as RoutingException
from starlette.requests import ClientDisconnect
from temporalio.service import RPCError

from domain.failures import BadInput, Problem
from domain.problem_codes import declaration_of, status_of_failure
from storage.objects.store import StorageUnavailable
from storage.postgres.database import DRIVER_ERRORS

# Classes of SQLSTATE (PostgreSQL manual, appendix A). The server cannot serve now: connection
# exception, insufficient resources, operator intervention, system error.
_UNAVAILABLE = ("08", "53", "57", "58")
# Another transaction was in the way: transaction rollback, object not in prerequisite state.
_BUSY = ("40", "55")
_DATA = "22"  # data exception: a value that cannot be stored
_NAMED_FAULTS = 5  # the most that `message` names
# What pydantic calls it if the body has something else where a JSON object is expected.
_NO_OBJECT = {"model_attributes_type", "model_type", "dict_type"}
_OURS = "Value error, "  # pydantic puts this before the message of a ValueError of ours

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457 problem details; members such as `errors` say where the fault is",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "For programs: it never changes"},
        "detail": {"type": "string", "description": "A sentence for people; its words may change"},
        "message": {"type": "string", "description": "The detail, with the first faults"},
    },
}
PROBLEM_RESPONSE = {
    "description": "The request is refused or cannot be served; `code` says why",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


_Found = TypeVar("_Found")


class ApiError(HTTPException):
    """A refusal, answered as a problem with the HTTP status declared for its code in
    domain/problem_codes.

    `status` chooses one if the code has two; `more` are further members of the problem.
    """

    def __init__(self, code: str, detail: str, status: int | None = None, **more: Any) -> None:
        super().__init__(declaration_of(code).status_of_answer(status), detail)
        self.code, self.more = code, more


def not_found(what: str) -> ApiError:
    """ApiError 404; `what` names the kind of object."""
    return ApiError("not_found", f"there is no such {what}")


def require_found(found: _Found | None, what: str) -> _Found:
    """The object itself. Raises ApiError 404 if it is None, as for an object of another tenant."""
    if found is None:
        raise not_found(what)
    return found


@contextmanager
def unique_name(what: str, name: str) -> Iterator[None]:
    """Wraps a transaction that writes a name. Raises ApiError 409 if the name is taken."""
    try:
        yield
    except exc.IntegrityError as error:
        raise ApiError("name_taken", f"there is {what} {name!r} already") from error


def problem_response(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """An answer with problem details; `more` are further members, such as `errors`."""
    body = {
        "type": f"urn:firelater:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "message": _message(detail, more.get("errors", ())),
        **more,
    }
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _problem(
    code: str,
    detail: str,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """A problem with the HTTP status that is declared for its code."""
    declared = declaration_of(code).status_of_answer(status)
    return problem_response(declared, code, detail, headers, **more)


def _message(detail: str, errors: Any) -> str:
    """The detail and the first faults in one text, for clients that show only one text."""
    faults = [(each["pointer"], each["detail"]) for each in errors if "detail" in each]
    named = [f"{place}: {why}" if place else why for place, why in faults]
    if len(named) > _NAMED_FAULTS:
        named[_NAMED_FAULTS:] = [f"and {len(named) - _NAMED_FAULTS} more"]
    return f"{detail} ({'; '.join(named)})" if named else detail


def bad_input_response(problem: Problem, **more: Any) -> JSONResponse:
    """A problem of a file or job with its place, under the HTTP status that fits its code."""
    place = problem.model_dump(by_alias=True, exclude_none=True, exclude={"code", "detail"})
    status = status_of_failure(problem.code)
    return problem_response(status, problem.code, problem.detail, **place, **more)


def pointer(location: tuple[int | str, ...]) -> str:
    """The JSON pointer (RFC 6901) for pydantic's location of an error.

    Parts in `<angle brackets>` name the form of the body that was chosen, and are left out.
    """
    parts = [str(part) for part in location if not str(part).startswith("<")]
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)


def validation_errors(error: ValidationError | RequestValidationError, skip: int = 0) -> list[Any]:
    """Each fault with pointer and detail, without the first `skip` parts of its location."""
    return [_fault(pointer(each["loc"][skip:]), each) for each in error.errors()]


def _fault(place: str, error: Any) -> dict[str, str]:
    if error["type"] == "missing" and not place:
        return {"pointer": place, "detail": "the body is missing"}
    if error["type"] in _NO_OBJECT:
        whose = "" if place else "the body: "
        return {"pointer": place, "detail": f"{whose}a JSON object is expected"}
    if error["type"] == "tuple_type":  # JSON has lists only
        return {"pointer": place, "detail": "a list is expected"}
    detail = error["msg"].removeprefix(_OURS).replace("Tuple should", "List should")
    return {"pointer": place, "detail": detail}


def install(app: FastAPI) -> None:
    """Have the application answer every exception as a problem."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def _api_error(_: Request, error: Any) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if error.status_code == 401 else None
    return problem_response(error.status_code, error.code, error.detail, headers, **error.more)


async def _bad_input(_: Request, error: Any) -> JSONResponse:
    return bad_input_response(error.problem)


async def _invalid_request(request: Request, error: Any) -> JSONResponse:
    for each in error.errors():
        if each["type"] == "json_invalid":
            # FastAPI gives the text and the place in it; `offset` counts bytes everywhere.
            offset = len(error.body[: each["loc"][1]].encode(errors="surrogatepass"))
            return _problem("json_malformed", "the body is not JSON", 400, offset=offset)
        is_whole = each["loc"][0] == "body" and not pointer(each["loc"][1:])
        if is_whole and each["type"] != "missing" and not _is_json(request):
            detail = "send the body as JSON, with Content-Type: application/json"
            return _problem("invalid_request", detail, errors=[{"pointer": ""}])
    detail = "the request does not have the expected form"
    faults = validation_errors(error, skip=1)
    return _problem("invalid_request", detail, errors=faults)


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind.startswith("application/") and kind.endswith(("/json", "+json"))


async def _routing_error(_: Request, error: Any) -> JSONResponse:
    """A refusal of FastAPI itself; its code is the phrase of its HTTP status, such as
    `method_not_allowed`."""
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return problem_response(error.status_code, code, str(error.detail), error.headers)


async def _database_error(_: Request, error: Any) -> JSONResponse:
    """An error of SQLAlchemy, or of asyncpg where statements are run without SQLAlchemy."""
    wrapped = isinstance(error, exc.DBAPIError)
    state = getattr(error.orig if wrapped else error, "sqlstate", None) or _UNAVAILABLE[0]
    if state.startswith(_DATA):
        detail = "a value cannot be stored, such as the character U+0000"
        return _problem("value_not_storable", detail)
    if (wrapped and error.connection_invalidated) or state.startswith(_UNAVAILABLE):
        return _unavailable("PostgreSQL")
    if state.startswith(_BUSY):
        return _later("another change happened at the same time; try again")
    raise error


async def _server_missing(_: Request, error: Any) -> JSONResponse:
    return _unavailable(_SERVERS.get(type(error), "a server this service depends on"))


async def _client_gone(_: Request, error: Any) -> JSONResponse:
    return _problem("client_disconnected", "the connection ended before the whole body had arrived")


async def _internal_error(_: Request, error: Any) -> JSONResponse:
    return _problem("internal_error", "this is a fault of the service; its log has the cause")


def _unavailable(what: str) -> JSONResponse:
    return _later(f"{what} cannot be reached at the moment; try again")


def _later(detail: str) -> JSONResponse:
    return _problem("unavailable", detail, headers={"Retry-After": "5"})


_SERVERS = {
    exc.TimeoutError: "PostgreSQL",
    RPCError: "Temporal",
    StorageUnavailable: "the object storage",
}
_HANDLERS = {
    ApiError: _api_error,
    BadInput: _bad_input,
    RequestValidationError: _invalid_request,
    RoutingException: _routing_error,
    **dict.fromkeys((exc.DBAPIError, *DRIVER_ERRORS), _database_error),
    **dict.fromkeys((*_SERVERS, OSError), _server_missing),
    ClientDisconnect: _client_gone,
    Exception: _internal_error,
}
