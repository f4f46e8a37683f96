"""Opsgenie's published description of its API takes our requests, and our receiver's answers."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft4Validator, Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from domain.notification.event import Action
from domain.notification.message import Message
from integrations.text import compact
from receivers.opsgenie import OpsgenieReceiver
from receivers.receiver import Received, serving
from tests.integrations.examples import MESSAGES, message
from tests.integrations.hostile import HOSTILE
from tests.integrations.opsgenie.sending import Line, request

KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"
BODIES = {
    "create": "CreateAlertPayload",
    "acknowledge": "AcknowledgeAlertPayload",
    "close": "CloseAlertPayload",
    "notes": "AddNoteToAlertPayload",
}
TRIGGER, ACKNOWLEDGE, RESOLVE = (message(action=action) for action in Action)
slow = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


class Description:
    """Opsgenie's Swagger file, and the limits that its pages add."""

    def __init__(self, specs: Path) -> None:
        self.spec = json.loads((specs / "opsgenie-swagger.json").read_text())
        limits = json.loads(
            (specs / "overlays/opsgenie-create-alert.limits.schema.json").read_text()
        )
        self._limits = Draft7Validator(limits)
        resource = DRAFT4.create_resource(self.spec)
        self._registry: Registry[Any] = Registry().with_resource("urn:opsgenie", resource)

    def check_body(self, name: str, body: Any) -> None:
        self._validator({"$ref": f"urn:opsgenie#/definitions/{name}"}).validate(body)
        if name == BODIES["create"]:
            self._limits.validate(body)
            details = body.get("details", {})
            assert sum(len(each) for item in details.items() for each in item) <= 8_000

    def operation(self, method: str, url: str) -> Any:
        """The operation that a request's path and method name. Its query must be one of it."""
        path = httpx.URL(url).raw_path.decode().partition("?")[0]
        [template] = [each for each in self.spec["paths"] if _pattern(each).fullmatch(path)]
        operation = self.spec["paths"][template][method.lower()]
        known = [self._resolved(each) for each in operation["parameters"]]
        queries = {each["name"]: each for each in known if each["in"] == "query"}
        for name, value in httpx.URL(url).params.items():
            assert value in queries[name].get("enum", [value])
        return operation

    def check_request(self, sent: Received) -> None:
        operation = self.operation(sent.method, f"http://receiver{sent.path}")
        known = [self._resolved(each) for each in operation["parameters"]]
        bodies = [each for each in known if each["in"] == "body"]
        assert bool(sent.body) <= bool(bodies)
        for each in bodies:
            self.check_body(each["schema"]["$ref"].rpartition("/")[2], json.loads(sent.body))

    def check_answer(self, answer: httpx.Response) -> None:
        sent = answer.request
        operation = self.operation(sent.method, str(sent.url))
        found = self._resolved(operation["responses"][str(answer.status_code)])
        definition = found["schema"]["$ref"]
        self._validator({"$ref": f"urn:opsgenie{definition}"}).validate(answer.json())
        assert {name for name in ("X-Request-ID", "X-Response-Time") if name in answer.headers}

    def _validator(self, schema: Any) -> Draft4Validator:
        return Draft4Validator(schema, registry=self._registry)

    def _resolved(self, part: Any) -> Any:
        """The part itself, or what it refers to."""
        if "$ref" not in part:
            return part
        _, room, name = part["$ref"].split("/")
        return self.spec[room][name]


@cache
def described(shared_dir: Path) -> Description:
    return Description(shared_dir / "specs")


def _pattern(template: str) -> re.Pattern[str]:
    """`requests` and the other fixed names stand before `{identifier}` in the vendor's router."""
    fixed = r"(?!(?:requests|count|saved-searches)(?:/|$))"
    return re.compile(re.sub(r"\{\w+\}", rf"{fixed}[^/]+", template))


@pytest.mark.parametrize("action", Action)
@given(said=MESSAGES | HOSTILE)
@slow
def test_the_description_takes_every_request(
    shared_dir: Path, action: Action, said: Message
) -> None:
    made = request(replace(said, action=action))
    described(shared_dir).check_body(BODIES[made["action"]], json.loads(compact(made["body"])))


async def test_the_description_takes_a_whole_life(shared_dir: Path) -> None:
    receiver = OpsgenieReceiver()
    async with serving(receiver):
        line = Line(receiver)
        for said in (TRIGGER, TRIGGER, ACKNOWLEDGE, RESOLVE, RESOLVE):
            await line.send(said)
    assert len(receiver.received) == 12
    for sent in receiver.received:
        described(shared_dir).check_request(sent)


CALLS: list[tuple[str, str, Any, int]] = [
    ("GET", "", None, 200),
    ("GET", "?limit=0", None, 422),
    ("POST", "", {"message": "Disk is full", "alias": "a"}, 202),
    ("POST", "", {"message": "x" * 131}, 422),
    ("POST", "", [], 400),
    ("GET", "/a?identifierType=alias", None, 200),
    ("GET", "/b?identifierType=alias", None, 404),
    ("GET", "/requests/{id}", None, 200),
    ("GET", "/requests/unknown", None, 404),
    ("POST", "/a/notes?identifierType=alias", {"note": "known"}, 202),
    ("POST", "/a/notes?identifierType=alias", {}, 422),
    ("POST", "/a/acknowledge?identifierType=alias", {}, 202),
    ("POST", "/a/close?identifierType=alias", {"note": "over"}, 202),
    ("POST", "/a/close?identifierType=alias", {"note": "over"}, 202),
    ("GET", "/requests/{id}", None, 200),
]


async def test_the_description_takes_every_answer_of_the_receiver(shared_dir: Path) -> None:
    receiver, taken = OpsgenieReceiver(), ""
    async with serving(receiver), client(receiver) as http:
        for method, path, body, status in CALLS:
            answer = await http.request(method, f"/v2/alerts{path.format(id=taken)}", json=body)
            assert (path, answer.status_code) == (path, status)
            described(shared_dir).check_answer(answer)
            taken = answer.json()["requestId"] if status == 202 else taken
    assert [result["isSuccess"] for result in receiver.results.values()] == [True] * 4 + [False]


@pytest.mark.parametrize("status", [401, 402, 403, 422, 429])
async def test_the_description_takes_every_refusal_of_the_receiver(
    shared_dir: Path, status: int
) -> None:
    receiver = OpsgenieReceiver(
        keys=frozenset() if status == 401 else None, per_minute=0 if status == 429 else None
    )
    receiver.on_plan, receiver.may_write = status != 402, status != 403
    key = "no-uuid" if status == 422 else KEY
    async with serving(receiver), client(receiver, key) as http:
        answer = await http.post("/v2/alerts", json={"message": "Disk is full"})
    assert answer.status_code == status
    described(shared_dir).check_answer(answer)


def client(receiver: OpsgenieReceiver, key: str = KEY) -> httpx.AsyncClient:
    headers = {"Authorization": f"GenieKey {key}"}
    return httpx.AsyncClient(base_url=receiver.url, headers=headers, trust_env=False)
