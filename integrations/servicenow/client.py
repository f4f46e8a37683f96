"""ServiceNow's Table API, through the guard: the login, and the few calls that a channel needs.

Source: docs.servicenow.com, "Table API". Every call names its `sysparm_` parameters, as their
defaults give references as objects. Values are raw both ways: display values depend on the
language, the time zone and the labels of the instance. Only a journal has no raw value, so work
notes are read as they are displayed.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from domain.json_document import Json
from egress.client import BODY_BYTES, Egress, Reply
from integrations.oauth import Token, Tokens
from integrations.servicenow.config import ServiceNowConfig
from integrations.servicenow.errors import is_missing, refused, result_of
from integrations.text import compact

_JOURNALS = frozenset({"work_notes", "comments"})  # never given back as a raw value
_TEXTS = frozenset({"short_description", "description", "close_notes"})  # may be rewritten a little
_KEPT = ("sys_id", "number", "state", "correlation_id")
_SYS_ID = re.compile(r"[A-Za-z0-9]{32}")
_RAW = {"sysparm_display_value": "false", "sysparm_exclude_reference_link": "true"}
_WRITTEN = {**_RAW, "sysparm_input_display_value": "false"}
_JOURNAL_BEGUN = re.compile(rb'\s*\{\s*"result"\s*:\s*\{\s*"work_notes"\s*:')
_IGNORED = (
    "the search for correlation_id gave other records: the instance ignores what it does not know"
    " or does not let the user read. Let the user read correlation_id of {table}; until then an"
    " incident that may have been made is not made again"
)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as the instance shows it; a member is empty if it has no value or is not shown."""

    sys_id: str
    number: str = ""
    state: str = ""
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A record after it was written: `sent` is what was set, `shown` what the instance shows of
    it then."""

    record: Record
    sent: Json
    shown: Json
    reply: Reply

    def untaken(self) -> list[str]:
        """Which fields are not as they were set, in words: access controls drop fields without an
        error, and business rules change them."""
        sent = {name: value for name, value in self.sent.items() if name not in _JOURNALS}
        dropped = [name for name in sent if not self.shown.get(name)]
        changed = [
            name for name in sent.keys() - _TEXTS - {*dropped} if self.shown[name] != sent[name]
        ]
        remarks = {
            "Not taken by the instance (no such field, or no right to write or read it)": dropped,
            "Changed by the instance": sorted(changed),
        }
        return [f"{what}: {', '.join(names)}" for what, names in remarks.items() if names]


class Client:
    """One integration's access to its table. Its calls raise DeliveryFailed.

    `has_written`: a call that writes was made, so that a failure may come after its effect.
    """

    def __init__(self, config: ServiceNowConfig, tokens: Tokens, egress: Egress) -> None:
        self._config, self._tokens, self._egress = config, tokens, egress
        self.has_written = False
        self._redactor = config.redactor()
        self._table = f"/api/now/table/{config.table}"

    async def record(self, sys_id: str) -> Record | None:
        """The record; None if it was deleted, or the user may not read it."""
        asked = {**_RAW, "sysparm_fields": ",".join(_KEPT)}
        reply = await self._ask("GET", f"{self._table}/{sys_id}", asked)
        return None if is_missing(reply) else self._record_of(self._result(reply), reply)

    async def search(self, ids: Sequence[str]) -> list[Record]:
        """The records with one of these correlation ids, the oldest first.

        A condition on a field that is not known, or may not be read, is ignored, and every record
        is found: one with another id is a stranger's, and shows that nothing was searched.
        """
        query = f"correlation_idIN{','.join(ids)}^ORDERBYsys_created_on"
        rows = await self._rows(_KEPT, len(ids) + 1, query)
        found = [self._record_of(row, reply) for row, reply in rows]
        if any(record.correlation_id not in ids for record in found):
            why = _IGNORED.format(table=self._config.table)
            raise DeliveryFailed(Failure(FailureClass.MISCONFIGURED, why))
        return found

    async def sample(self) -> Json | None:
        """Any one record, with the fields that a channel needs as far as they are shown; None if
        the user sees no record."""
        rows = await self._rows((*_KEPT, "work_notes"), 1)
        row = rows[0][0] if rows else None
        return row if isinstance(row, dict) else None

    async def create(self, fields: Json) -> Written:
        return await self._write("POST", self._table, fields)

    async def change(self, sys_id: str, fields: Json) -> Written:
        return await self._write("PATCH", f"{self._table}/{sys_id}", fields)

    async def notes(self, sys_id: str) -> str | None:
        """The record's work notes, the newest first; None if they are not shown to the user.

        Of long ones the beginning, which need not be whole JSON.
        """
        asked = {"sysparm_display_value": "true", "sysparm_fields": "work_notes"}
        reply = await self._ask("GET", f"{self._table}/{sys_id}", asked)
        if len(reply.body) >= BODY_BYTES and _JOURNAL_BEGUN.match(reply.body):
            return reply.body.decode("utf-8", "replace")
        said = self._result(reply)
        notes = said.get("work_notes") if isinstance(said, dict) else None
        return notes if isinstance(notes, str) else None

    async def _rows(
        self, fields: Sequence[str], limit: int, query: str = ""
    ) -> list[tuple[Any, Reply]]:
        """The rows of a search, each with the answer that it came in."""
        asked = {**_RAW, "sysparm_fields": ",".join(fields), "sysparm_limit": str(limit)}
        reply = await self._ask("GET", self._table, asked | {"sysparm_query": query})
        rows = self._result(reply)
        if not isinstance(rows, list):
            raise refused(reply, self._redactor)
        return [(row, reply) for row in rows]

    async def _write(self, method: str, path: str, fields: Json) -> Written:
        asked = dict.fromkeys((*_KEPT, *(name for name in fields if name not in _JOURNALS)))
        query = {**_WRITTEN, "sysparm_fields": ",".join(asked)}
        self.has_written = True
        reply = await self._ask(method, path, query, compact(fields))
        said = self._result(reply)
        return Written(self._record_of(said, reply), fields, said, reply)

    def _result(self, reply: Reply) -> Any:
        return result_of(reply, self._redactor)

    def _record_of(self, said: Any, reply: Reply) -> Record:
        """A record in the answer. Raises DeliveryFailed if it is none."""
        if not isinstance(said, dict) or not _SYS_ID.fullmatch(str(said.get("sys_id"))):
            raise refused(reply, self._redactor)
        shown = [said.get(name) for name in _KEPT]
        return Record(*(each if isinstance(each, str) else "" for each in shown))

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """The answer to a call. A token that was kept and is refused is replaced, once."""
        grant, where = self._config.grant, f"{path}?{urlencode(query)}"
        if grant is None:
            return await self._send(method, where, content, self._login())
        token = await self._tokens.token(grant, self._egress)
        reply = await self._send(method, where, content, self._bearer(token))
        if reply.status == 401:
            self._tokens.forget(grant, token)
            if not token.is_new:
                token = await self._tokens.token(grant, self._egress)
                reply = await self._send(method, where, content, self._bearer(token))
        return reply

    async def _send(
        self, method: str, where: str, content: bytes, login: Mapping[str, str]
    ) -> Reply:
        typed = {"content-type": "application/json"} if content else {}
        headers = {"accept": "application/json", **typed, **login}
        url = f"{self._config.instance_url}{where}"
        return await self._egress.send(method, url, headers, content, repeatable=method == "GET")

    def _bearer(self, token: Token) -> dict[str, str]:
        self._redactor = self._config.redactor(token.text)
        return {"authorization": f"Bearer {token.text}"}

    def _login(self) -> dict[str, str]:
        key, password = self._config.api_key, self._config.password
        if key is not None:
            return {"x-sn-apikey": key.get_secret_value()}
        secret = password.get_secret_value() if password else ""
        pair = base64.b64encode(f"{self._config.username}:{secret}".encode()).decode()
        return {"authorization": f"Basic {pair}"}
