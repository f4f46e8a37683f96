"""Every exchange with the stand-in of Jira Cloud is valid by Atlassian's OpenAPI document."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from openapi_schema_validator import OAS30Validator

from domain.notification.event import Action
from egress.client import egress
from receivers.jira.receiver import JiraReceiver
from receivers.receiver import serving
from tests.integrations.jira.alert import Alert


class Exchange(NamedTuple):
    method: str
    path: str
    query: dict[str, str]
    body: bytes
    status: int
    answer: bytes


class Recorded(JiraReceiver):
    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[Exchange] = []

    async def answer(self, request: web.Request, body: bytes) -> web.Response:
        response = await super().answer(request, body)
        said = response.body if isinstance(response.body, bytes) else b""
        made = (request.method, request.path, dict(request.query), body, response.status, said)
        self.exchanges.append(Exchange(*made))
        return response


@cache
def document(shared_dir: Path) -> Any:
    path = shared_dir / "specs" / "jira-cloud-v3-subset.openapi.json"
    return json.loads(path.read_text())


def operation(document: Any, exchange: Exchange) -> Any:
    """The description of the operation: the path with the fewest parameters that fits."""
    fitting = [
        path
        for path in document["paths"]
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", path), exchange.path)
    ]
    path = min(fitting, key=lambda each: each.count("{"))
    return document["paths"][path][exchange.method.lower()]


def faults(document: Any, exchange: Exchange) -> Iterator[str]:
    described = operation(document, exchange)
    known = {each["name"]: each["schema"] for each in described.get("parameters", [])}
    for name in exchange.query.keys() - known.keys():
        yield f"{exchange.path} has no parameter {name}"
    if exchange.body:
        [content] = described["requestBody"]["content"].values()
        yield from _invalid(document, content["schema"], exchange.body)
    answer = described["responses"].get(str(exchange.status))
    if answer is None:
        yield f"{exchange.path} never answers {exchange.status}"
    elif exchange.answer and "content" in answer:
        yield from _invalid(
            document, answer["content"]["application/json"]["schema"], exchange.answer
        )


def _invalid(document: Any, schema: Any, body: bytes) -> Iterator[str]:
    whole = {"allOf": [schema], "components": document["components"]}
    for error in OAS30Validator(whole).iter_errors(json.loads(body)):
        yield f"{error.json_path}: {error.message}"


async def a_life(a: Alert) -> None:
    """Everything that the channel asks of Jira, once at least."""
    await a.checks()
    transition = a.project.transitions[-1]
    transition.fields = {"resolution": True}
    await a.lose(Action.TRIGGER)
    for action in (Action.ACKNOWLEDGE, Action.RESOLVE, Action.TRIGGER):
        await a.send(action)
    id = await a.lose(Action.TRIGGER)
    await a.send(Action.TRIGGER, delivery_id=id)
    a.existing = replace(a.existing, maybe_made=())
    a.project.transitions = [each for each in a.project.transitions if each.to == "To Do"]
    await a.send(Action.RESOLVE)
    transition.refusal, a.project.transitions = "No.", [transition]
    await a.send(Action.RESOLVE)
    a.project.permissions.remove("TRANSITION_ISSUES")
    await a.failure(Action.RESOLVE)
    a.receiver.site.issues.clear()
    await a.send(Action.RESOLVE)
    a.project.permissions.remove("CREATE_ISSUES")
    await a.failure(Action.TRIGGER)


async def test_every_exchange_is_valid(shared_dir: Path) -> None:
    receiver = Recorded()
    async with serving(receiver), egress(receiver.allowed) as out:
        a = Alert("jira", receiver, out)
        await a_life(a)
    described = document(shared_dir)
    wrong = [fault for each in receiver.exchanges for fault in faults(described, each)]
    assert wrong == []
    seen = {f"{each.method} {each.path.rpartition('/')[2]}" for each in receiver.exchanges}
    assert {"GET mypermissions", "GET jql", "POST transitions", "POST comment"} <= seen
    assert {200, 201, 204, 400, 404} <= {each.status for each in receiver.exchanges}


@pytest.mark.parametrize(
    "change",
    [
        {"query": {"colour": "red"}},
        {"answer": b'{"id": 10001}'},
        {"answer": b'{"id": "10001", "colour": "red"}'},
        {"status": 202},
        {"body": b'{"properties": [{"name": "x"}]}'},
    ],
    ids=str,
)
def test_the_document_sees_what_is_wrong(shared_dir: Path, change: dict[str, Any]) -> None:
    right = Exchange("POST", "/rest/api/3/issue", {}, b'{"fields": {}}', 201, b'{"id": "10001"}')
    assert list(faults(document(shared_dir), right)) == []
    assert list(faults(document(shared_dir), right._replace(**change)))
