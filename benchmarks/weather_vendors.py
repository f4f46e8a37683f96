"""Vendors on this machine that often answer with errors, and what people can read at each.

`Weather` decides which requests get an error; the vendor's own receiver answers the others.
"""

import json
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from receivers import smtp
from receivers.pagerduty import PagerDutyReceiver
from receivers.receiver import Receiver, serving
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver
from receivers.teams import EXAMPLE_SIG, TeamsReceiver
from receivers.webhook import WebhookReceiver
from tests.api.notification import notifying as n

MAILBOXES = ("ops@example.com", "night@example.com")
_KEY = "R0UT1NGKEY0FTHEWEATHER0000000001"
_FREELY = {"count": 20, "seconds": 1}
_TRIGGER = f"/workflows/{'0' * 32}/triggers/manual/paths/invoke?api-version=2016-06-01"
_SIGNED = f"{_TRIGGER}&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig="
# Status, Retry-After ("date": a date 40 s ahead), and the weight of each answer.
_ANSWERS: list[tuple[int, str, float]] = [
    *((status, "", 1.0) for status in (401, 403)),
    *((status, "", 2.0) for status in (404, 500, 503)),
    *((429, "0", 1.5), (429, "0.5", 1.0), (429, "date", 1.0), (429, "86400", 0.15)),
]
_MAIL_ANSWERS = {
    "CONNECT": ("421 4.3.2 not now", "450 4.7.1 later", "554 5.3.2 not you", "disconnect"),
    "EHLO": ("421 4.3.2 closing", "disconnect"),
    "AUTH": ("454 4.7.0 later", "535 5.7.8 not so", "421 4.3.2 closing"),
    "MAIL": ("451 4.3.0 later", "421 4.3.2 closing", "550 5.7.1 not you"),
    "RCPT": ("450 4.2.0 busy", "452 4.2.2 full", "421 4.3.2 closing", "550 5.1.1 nobody"),
    "DATA": ("451 4.3.0 later", "421 4.3.2 closing"),
    ".": ("451 4.3.0 later", "452 4.3.1 full", "421 4.3.2 closing", "554 5.6.0 no", "disconnect"),
}


@dataclass(slots=True)
class Weather:
    """How often a vendor answers with an error (`share`), and how often a mail server is slow to
    greet or to take a mail (`slow`), as probabilities; `fell` counts both by kind."""

    chance: random.Random
    share: float = 0.3
    slow: float = 0.012
    fell: dict[str, int] = field(default_factory=dict)

    def reply(self) -> web.Response | None:
        if self.chance.random() >= self.share:
            return None
        weights = [weight for _, _, weight in _ANSWERS]
        [(status, after, _)] = self.chance.choices(_ANSWERS, weights)
        self._note(f"{status} {after}".strip())
        if after == "date":
            after = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
        return web.Response(status=status, headers={"Retry-After": after} if after else {})

    def said(self, command: str) -> str | None:
        """The error that a mail server answers to a command; None for the usual answer. A mail has
        seven commands, so each gets a seventh of `share`."""
        answers = _MAIL_ANSWERS.get(command)
        if answers is None or self.chance.random() >= self.share / len(_MAIL_ANSWERS):
            return None
        said = self.chance.choice(answers)
        self._note(f"mail {said[:3] if said[0].isdigit() else said}")
        return said

    def delay(self, command: str) -> float:
        if command not in ("CONNECT", ".") or self.chance.random() >= self.slow:
            return 0.0
        self._note(f"mail slow {command}")
        return self.chance.uniform(1, 6) if self.chance.random() < 0.8 else 13.0

    def _note(self, what: str) -> None:
        self.fell[what] = self.fell.get(what, 0) + 1


class _Replies(dict[str, str]):
    """Takes the place of a mail server's `replies`, which are looked up by command."""

    def __init__(self, weather: Weather) -> None:
        super().__init__()
        self._weather = weather

    def get(self, command: str, usual: Any = None) -> Any:
        return self._weather.said(command) or usual


class _Delays(dict[str, float]):
    def __init__(self, weather: Weather) -> None:
        super().__init__()
        self._weather = weather

    def get(self, command: str, usual: Any = None) -> Any:
        return self._weather.delay(command) or usual


class Exposed(Receiver):
    """A receiver whose requests the weather may answer first."""

    weather: Weather

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        error = self.weather.reply()
        return await super().answer(request, body) if error is None else error


class _Slack(Exposed, SlackReceiver): ...


class _PagerDuty(Exposed, PagerDutyReceiver): ...


class _Webhook(Exposed, WebhookReceiver): ...


class _Teams(Exposed, TeamsReceiver): ...


@dataclass(slots=True)
class Vendors:
    """One vendor of each kind."""

    weather: Weather
    slack: _Slack = field(default_factory=_Slack)
    teams: _Teams = field(default_factory=_Teams)
    webhook: _Webhook = field(default_factory=lambda: _Webhook(n.SECRET))
    pagerduty: _PagerDuty = field(default_factory=lambda: _PagerDuty(frozenset({_KEY})))
    mail: smtp.SmtpReceiver = field(default_factory=lambda: smtp.SmtpReceiver("none"))

    @property
    def allowed(self) -> str:
        return ",".join([*(each.allowed for each in self._http), self.mail.allowed])

    @property
    def _http(self) -> list[Exposed]:
        return [self.slack, self.teams, self.webhook, self.pagerduty]

    @asynccontextmanager
    async def serving(self) -> Any:
        self.mail.replies, self.mail.delays = _Replies(self.weather), _Delays(self.weather)
        async with AsyncExitStack() as open:
            for each in self._http:
                each.weather = self.weather
                await open.enter_async_context(serving(each))
            await open.enter_async_context(smtp.serving(self.mail))
            yield self

    def configs(self) -> dict[str, dict[str, Any]]:
        """The config of an integration of each kind; slow rates are raised, so that a campaign does
        not take hours."""
        urls = {"baseUrl": self.pagerduty.url, "restBaseUrl": self.pagerduty.url}
        login = {"username": self.mail.username, "password": self.mail.password}
        server = {"host": "127.0.0.1", "port": self.mail.port, "security": "none"} | login
        return {
            "slack": {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#ops", "rateLimit": _FREELY}
            | {"baseUrl": f"{self.slack.url}/api"},
            "teams": {"webhookUrl": self.flow(EXAMPLE_SIG), "rateLimit": _FREELY},
            "generic_webhook": {"url": f"{self.webhook.url}/hook", "secret": n.SECRET},
            "pagerduty": {"integrationKey": _KEY, "rateLimit": _FREELY} | urls,
            "email": {"to": [*MAILBOXES], "fromAddress": "notices@firelater.example"} | server,
        }

    def flow(self, sig: str) -> str:
        return f"{self.teams.url}{_SIGNED}{sig}"

    def wrong(self, kind: str) -> dict[str, Any]:
        """Wrong credentials for an integration of the kind, as fields of its config."""
        wrong: dict[str, dict[str, Any]] = {
            "slack": {"botToken": "xoxb-000000000000-0000000000000-AnotherBotToken0000000"},
            "teams": {"webhookUrl": self.flow("AnotherSignature-0123456789_abcdefghijklmno")},
            "generic_webhook": {"secret": "whsec_" + "QUFB" * 8},
            "pagerduty": {"integrationKey": "R0UT1NGKEY0FN0B0DYATALL000000001"},
            "email": {"password": "another"},
        }
        return wrong[kind]

    def right(self, kind: str) -> dict[str, Any]:
        whole = self.configs()[kind]
        return {name: whole[name] for name in self.wrong(kind)}

    def read(self) -> Iterator[tuple[str, str]]:
        """What arrived, in order, at all vendors but PagerDuty: the place (a channel's name and a
        recipient) and the text."""
        for posted in self.slack.messages:
            yield f"slack {posted['channel'].removeprefix('#')}", json.dumps(posted["message"])
        for run in self.teams.runs:
            yield "teams", json.dumps(run.cards)
        for taken in self.webhook.received:
            if taken.status == 204:
                yield f"webhook {taken.path}", taken.body.decode()
        for mail in self.mail.received:
            if mail.status in (0, 250):  # 0: accepted, but the answer did not reach the sender
                yield f"email {mail.recipients[0]}", _text(mail)


def _text(mail: smtp.Mail) -> str:
    message = mail.message
    parts = [
        part.get_content() for part in message.walk() if part.get_content_type() == "text/plain"
    ]
    return "\n".join([str(message["Subject"]), *parts])
