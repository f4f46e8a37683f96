"""Calls to Jira's REST API: version 3 of Cloud, version 2 of Data Center.

Source: developer.atlassian.com, "Basic auth for REST APIs", "Create OAuth 2.0 credential for
service accounts", and "Personal access tokens" of Data Center.
"""

import base64
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from domain.integration.outcome import DeliveryFailed
from domain.json_document import Json
from egress.client import BODY_BYTES, Egress, Reply
from integrations.jira.config import JiraConfig
from integrations.jira.errors import Deed, is_login_refused, refused
from integrations.oauth import Tokens
from integrations.reply import is_page, json_object
from integrations.text import compact

_PAGE, _LONGEST = 50, 1_000  # of a page, and of a list
UNREAD: Json = {}  # a member of a list that is too long to be read
_HEADERS = {
    "accept": "application/json",
    "content-type": "application/json",
    "x-atlassian-token": "no-check",  # Data Center takes POSTs of some clients for forged ones
    # Errors in English, whichever language the account has ("Special headers").
    "accept-language": "en",
    "x-force-accept-language": "true",
}


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    content: Json | None = None


class Client:
    """One delivery's way to its site. Raises DeliveryFailed.

    `began_change`: something may have been changed by now.
    """

    def __init__(self, config: JiraConfig, tokens: Tokens, egress: Egress) -> None:
        self.config = config
        self.began_change = False
        self._tokens, self._egress = tokens, egress

    async def ask(self, path: str, question: str, **query: Any) -> Json:
        """The answer to a question, which changes nothing and may be asked twice."""
        reply = await self.reply(path, **query)
        said = json_object(reply)
        if reply.status != 200 or not said:
            raise self.unanswered(reply, question)
        return said

    async def reply(self, path: str, **query: Any) -> Reply:
        """As `ask`, whatever the answer is."""
        asked = f"{path}?{urlencode(query)}" if query else path
        try:
            return await self._call(_Request("GET", asked))
        except DeliveryFailed as error:
            raise DeliveryFailed(replace(error.failure, maybe_sent=False)) from None

    async def change(self, path: str, content: Json) -> Reply:
        """The answer to a request that changes something, whatever it is."""
        self.began_change = True
        return await self._call(_Request("POST", path, content))

    async def listed(
        self, path: str, question: str, names: Iterable[str], **query: Any
    ) -> AsyncIterator[Json]:
        """The members of a paged list, which has one of these names.

        Of an answer, no more than BODY_BYTES are read: where a page is longer, shorter ones are
        asked for; in place of a member that is longer all by itself comes UNREAD.
        """
        start, size = 0, _PAGE
        while start < _LONGEST:
            reply = await self.reply(path, startAt=start, maxResults=size, **query)
            said = json_object(reply)
            if reply.status == 200 and not said and len(reply.body) >= BODY_BYTES:
                if size == 1:
                    start += 1
                    yield UNREAD
                size = max(size // 5, 1)
                continue
            members = next((said[name] for name in names if isinstance(said.get(name), list)), None)
            if reply.status != 200 or members is None:
                raise self.unanswered(reply, question)
            for member in members:
                if isinstance(member, dict):
                    yield member
            start += len(members)
            if not members or start >= _total(said):
                return

    def refused(self, reply: Reply, deed: Deed) -> DeliveryFailed:
        return refused(reply, self.config.redactor, deed)

    def unanswered(self, reply: Reply, question: str) -> DeliveryFailed:
        return self.refused(reply, Deed(question, changes=False))

    async def _call(self, request: _Request) -> Reply:
        """Send the request; once more if Jira refuses an access token that was kept."""
        grant = self.config.grant
        if grant is None:
            return await self._send(request, self._login())
        token = await self._tokens.token(grant, self._egress)
        reply = await self._send(request, f"Bearer {token.text}")
        if token.is_new or not is_login_refused(reply):
            return reply
        self._tokens.forget(grant, token)
        fresh = await self._tokens.token(grant, self._egress)
        return await self._send(request, f"Bearer {fresh.text}")

    async def _send(self, request: _Request, login: str) -> Reply:
        body = b"" if request.content is None else compact(request.content)
        return await self._egress.send(
            request.method,
            f"{self.config.api}/{request.path}",
            {**_HEADERS, "authorization": login},
            body,
            repeatable=request.method == "GET",
        )

    def _login(self) -> str:
        config = self.config
        if config.personal_access_token is not None:
            return f"Bearer {config.personal_access_token.get_secret_value()}"
        secret = config.api_token or config.password
        held = secret.get_secret_value() if secret else ""
        login = f"{config.email or config.username}:{held}"
        return f"Basic {base64.b64encode(login.encode()).decode()}"


def is_success(reply: Reply) -> bool:
    """Whether a 2xx can be Jira's own: a proxy before it answers with pages."""
    return 200 <= reply.status < 300 and not is_page(reply)


def _total(said: Json) -> float:
    """How many there are; unknown where an API does not say, so that all pages are read."""
    total = said.get("total")
    if said.get("isLast") is True:
        return 0
    return total if isinstance(total, int) else float("inf")
