"""ServiceNow on this machine: an instance's Table API, with tables that remember, and its tokens.

After docs.servicenow.com, "Table API", "REST API HTTP response codes", "Inbound REST API rate
limiting"; the error bodies as instances word them. A test may change what the instance is like:
`rules` for writing, `unreadable` for reading, `mood` for an instance that is not there.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from receivers.arrivals import Window
from receivers.receiver import Json, Receiver
from receivers.servicenow.columns import TABLES
from receivers.servicenow.login import Logins
from receivers.servicenow.query import parse
from receivers.servicenow.shown import View
from receivers.servicenow.table import Record, Table
from receivers.servicenow.writing import Refused, Rules, insert, update

_PATH = re.compile(r"/api/now(?:/v[12])?/table/([^/]+)(?:/([^/]+))?")
_ROWS = 10_000  # of a list that names no limit
_HOUR = 3_600
_CANCELLED = "Transaction cancelled: maximum execution time exceeded"
_ASLEEP = "https://developer.servicenow.com/dev.do#!/home?wu=true"
_PAGES = {
    "hibernating": "<html><head><title>Instance Hibernating page</title></head><body><h1>Your"
    " instance is hibernating</h1><p>Sign in to the site to wake your instance</p></body></html>",
    "login": "<!DOCTYPE html><html><head><title>Log in | ServiceNow</title></head></html>",
}


class ServiceNowReceiver(Receiver):
    """An instance with empty tables and the logins of the example.

    `per_hour` is a rate limit rule's. `mood`: "" (well), "hibernating" or "login" (a page with
    200), "asleep" (a redirect to the vendor's portal). `cancels`: what is asked is done, but the
    transaction is cancelled before the answer is whole. `loses` counts writes whose answer is lost.
    """

    kind = "servicenow"

    def __init__(self, per_hour: int | None = None) -> None:
        super().__init__()
        self.logins = Logins()
        self.tables = {name: Table(name, columns) for name, columns in TABLES.items()}
        self.rules = Rules()
        self.unreadable: set[str] = set()
        self.may_read = True
        self.mood = ""
        self.cancels = False
        self.loses = 0
        self.per_hour = per_hour
        self._window = Window(per_hour, _HOUR)

    @property
    def incidents(self) -> list[Record]:
        """The incidents, in the order in which they were made."""
        return list(self.tables["incident"].records.values())

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        if self.mood == "asleep":
            return web.Response(status=302, headers={"Location": _ASLEEP})
        if self.mood or not request.path.startswith(("/api/", "/oauth_token.do")):
            page = _PAGES[self.mood or "login"]
            return web.Response(text=page, content_type="text/html")
        if request.path == "/oauth_token.do":
            return self.logins.give_token(request, body)
        user = self.logins.user(request.headers)
        if user is None:
            headers = {"WWW-Authenticate": 'BASIC realm="Service-now"'}
            what = ("User Not Authenticated", "Required to provide Auth information")
            return _error(401, *what, headers)
        return self._within_limit(request, body, user)

    def _within_limit(self, request: web.Request, body: bytes, user: str) -> web.Response:
        rule = self._rule_headers()
        if not self._window.takes():
            detail = f"Rejected because it exceeded the limit of {self.per_hour} requests an hour"
            headers = {**rule, "Retry-After": str(_HOUR - int(time.time()) % _HOUR)}
            return _error(429, "Rate limit exceeded", detail, headers)
        try:
            response = self._table(request, body, user)
        except Refused as refused:
            response = _error(refused.status, refused.message, refused.detail)
        if request.method in ("POST", "PATCH", "PUT") and self.loses:
            self.loses -= 1
            if request.transport is not None:
                request.transport.abort()
        if self.cancels:
            error = json.dumps({"message": _CANCELLED, "detail": f"{_CANCELLED} Check logs"})
            text = f'{{"result":{{"sys_id":"","error":{error},"status":"failure"}}'  # not whole
            response = web.Response(text=text, content_type="application/json")
        response.headers.update(rule)
        return response

    def _rule_headers(self) -> dict[str, str]:
        if self.per_hour is None:
            return {}
        reset = int(time.time()) // _HOUR * _HOUR + _HOUR
        return {
            "X-RateLimit-Limit": str(self.per_hour),
            "X-RateLimit-Reset": str(reset),
            "X-RateLimit-Rule": "5f2a9c1bdb4a6010e5c5f3f5ae9619aa",
        }

    def _table(self, request: web.Request, body: bytes, user: str) -> web.Response:
        path = _PATH.fullmatch(request.path)
        if path is None:
            raise Refused("", "Requested URI does not represent any resource", 400)
        table = self.tables.get(path[1])
        if table is None:
            raise Refused("", f"Invalid table {path[1]}", 400)
        if not _accepts_json(request.headers.get("Accept", "*/*")):
            raise Refused("", "Unsupported Accept header", 406)
        match request.method, path[2]:
            case "GET", None:
                return self._list(request, table)
            case "POST", None:
                made = insert(table, _object(request, body), self.rules, user)
                response = self._show(request, table, made)
                response.set_status(201)
                id = made.values["sys_id"]
                response.headers["Location"] = f"{self.url}{request.path}/{id}"
                return response
        record = table.records.get(path[2] or "") if self.may_read else None
        if record is None:
            raise Refused(
                "Record doesn't exist or ACL restricts the record retrieval", "No Record found", 404
            )
        match request.method:
            case "GET":
                return self._show(request, table, record)
            case "PATCH" | "PUT":
                update(table, record, _object(request, body), self.rules, user)
                return self._show(request, table, record)
            case "DELETE":
                table.delete(record)
                return web.Response(status=204)
        raise Refused("", f"Method not supported: {request.method}", 405)

    def _show(self, request: web.Request, table: Table, record: Record) -> web.Response:
        return web.json_response({"result": self._view(request.query).show(table, record)})

    def _view(self, asked: Mapping[str, str]) -> View:
        display = asked.get("sysparm_display_value", "false").lower()
        return View(
            self.url,
            self.tables,
            self.unreadable,
            tuple(filter(None, asked.get("sysparm_fields", "").split(","))),
            display if display in ("true", "all") else "false",
            asked.get("sysparm_exclude_reference_link", "false").lower() != "true",
        )

    def _list(self, request: web.Request, table: Table) -> web.Response:
        asked = request.query
        columns = table.columns.keys() - self.unreadable
        query = parse(asked.get("sysparm_query", ""), columns)
        offset, limit = (
            _number(asked.get(f"sysparm_{name}"), usual)
            for name, usual in (("offset", 0), ("limit", _ROWS))
        )
        counts = asked.get("sysparm_no_count", "false") != "true"
        rows, total = (
            table.select(query, offset, limit, counts=counts) if self.may_read else ([], 0)
        )
        headers = {} if total is None else {"X-Total-Count": str(total)}
        if total is not None and asked.get("sysparm_suppress_pagination_header") != "true":
            headers |= _links(f"{self.url}{request.path}", asked, (offset, limit, total))
        view = self._view(asked)
        return web.json_response(
            {"result": [view.show(table, row) for row in rows]}, headers=headers
        )


def _links(url: str, asked: Mapping[str, str], place: tuple[int, int, int]) -> dict[str, str]:
    """The header Link: first, next, prev and last page, as far as there are such."""
    offset, limit, total = place
    step = max(limit, 1)
    pages = {"first": 0, "last": max((total - 1) // step * step, 0)}
    if offset + step < total:
        pages["next"] = offset + step
    if offset > 0:
        pages["prev"] = max(offset - step, 0)
    rest = {name: said for name, said in asked.items() if name != "sysparm_offset"}
    links = (
        f'<{url}?{urlencode({**rest, "sysparm_offset": at}, quote_via=quote)}>;rel="{name}"'
        for name, at in pages.items()
    )
    return {"Link": ",".join(links)}


def _object(request: web.Request, body: bytes) -> Json:
    if request.content_type != "application/json":
        raise Refused("", f"Unsupported media type {request.content_type}", 415)
    try:
        said: Any = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        what = "Exception while reading request"
        raise Refused("Verify Request body. Not able to parse request", what, 400)
    return said


def _accepts_json(accept: str) -> bool:
    return any(each in accept for each in ("*/*", "application/*", "application/json"))


def _number(said: str | None, usual: int) -> int:
    return int(said) if said is not None and said.isdecimal() else usual


def _error(
    status: int, message: str, detail: str = "", headers: Mapping[str, str] | None = None
) -> web.Response:
    error = {"message": message, "detail": detail or None}
    return web.json_response({"error": error, "status": "failure"}, status=status, headers=headers)
