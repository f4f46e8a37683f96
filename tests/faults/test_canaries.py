"""Secrets do not leak, whatever vendors answer and whichever role reads."""

import asyncio
import base64
import random
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from integrations import CHANNELS
from integrations.channel import secret_names
from receivers import RECEIVERS, smtp
from receivers.opsgenie import OpsgenieReceiver
from receivers.receiver import Receiver, Reply, serving
from receivers.servicenow import ServiceNowReceiver
from receivers.slack import SlackReceiver
from receivers.teams import TeamsReceiver
from receivers.webhook import WebhookReceiver
from tests.api.integration import connecting as c
from tests.api.notification import notifying as n
from tests.faults.canaries import (
    ASKING,
    NAMES,
    Canaries,
    Connection,
    asking,
    connection,
    histories,
    on_disk,
)
from tests.faults.stack import Stack, running
from tests.integrations.examples import kind_of
from tests.receivers.oauth import TokenEndpoint
from tests.service import Tenant
from tests.until import until
from workflows.connection import connect

CHANNELS_PATH = "/v1/notification-channels"
Endpoint = Receiver | smtp.SmtpReceiver


class Mood(NamedTuple):
    """How vendors behave, the health of an integration then, and the text of its error."""

    name: str
    status: str
    level: str
    error: str = ""
    error_of_mail: str = ""


MOODS = (
    Mood("well", "connected", "info"),
    Mood("silent", "failing", "error", "no answer|did not end"),
    Mood("broken", "failing", "error", "500", "451"),
    Mood("refusing", "misconfigured", "error", "401", "535"),
)


@dataclass(slots=True)
class Scene:
    """A tenant that is connected to every vendor, with canaries for secrets; all by name.

    `path` is where secrets are given: as integrations, or in configs of notification channels.
    `mail` is a server that takes tokens, and is always well: its tokens' endpoint is not.
    """

    stack: Stack
    tenant: Tenant
    canaries: Canaries
    endpoints: dict[str, Endpoint]
    mail: smtp.SmtpReceiver
    path: str
    made: dict[str, Connection] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)  # of integrations
    given: dict[str, str] = field(default_factory=dict)  # the paths that take their configs
    bodies: list[str] = field(default_factory=list)  # all that the API answers, headers included

    async def keep(self, response: httpx.Response) -> None:
        await response.aread()
        self.bodies.append(f"{response.headers} {response.text}")

    def be(self, mood: Mood) -> None:
        """Vendors quote whatever secrets they are shown."""
        for name, each in self.endpoints.items():
            each.released.set()
            each.released = asyncio.Event()
            if isinstance(each, Receiver):
                each.always = _reply(mood, self.made[name].quoted)
            else:
                each.replies = _replies(mood, self.made[name].quoted)


def _reply(mood: Mood, quoted: str) -> Reply | None:
    headers = {"Location": f"/{quote(quoted)}", "X-Quoted": quoted}
    body = f'{{"ok": false, "error": "{quoted}", "message": "{quoted}", "errors": ["{quoted}"]}}'
    match mood.name:
        case "silent":
            return Reply(hang=True)
        case "broken" | "refusing":
            return Reply(int(mood.error), body, headers)
    return None


def _replies(mood: Mood, quoted: str) -> dict[str, str]:
    match mood.name:
        case "silent":
            return {"EHLO": "hang"}
        case "broken":
            return {"EHLO": f"{mood.error_of_mail} 4.3.0 {quoted[:400]}"}
        case "refusing":
            return {"AUTH": f"{mood.error_of_mail} 5.7.8 {quoted[:400]}"}
    return {}


@pytest.fixture(params=[c.PATH, pytest.param(CHANNELS_PATH, marks=pytest.mark.campaign)])
async def scene(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as open:
        endpoints: dict[str, Endpoint] = {}
        for name in NAMES:
            receiver = RECEIVERS.get(kind_of(name))
            if receiver is not None:
                endpoints[name] = await open.enter_async_context(serving(receiver()))
            else:
                mail = smtp.SmtpReceiver("none")
                endpoints[name] = await open.enter_async_context(smtp.serving(mail))
        mail = await open.enter_async_context(smtp.serving(smtp.SmtpReceiver("none")))
        endpoints[ASKING] = await open.enter_async_context(serving(TokenEndpoint()))
        allow = ",".join(each.allowed for each in (mail, *endpoints.values()))
        home = tmp_path_factory.mktemp("canaries")
        up = running(home, EGRESS_ALLOW=allow, LOG_LEVEL="DEBUG")
        stack = await open.enter_async_context(up)
        scene = Scene(stack, await stack.tenant(), Canaries(), endpoints, mail, request.param)
        stack.service.http.event_hooks["response"].append(scene.keep)
        yield scene


async def test_no_secret_is_anywhere_but_at_its_vendor(scene: Scene) -> None:
    for name, endpoint in scene.endpoints.items():
        await _connect(scene, name, endpoint)
    assert _fields(scene) == {kind: secret_names(each.config) for kind, each in CHANNELS.items()}
    for mood in MOODS:
        scene.be(mood)
        await asyncio.gather(_notify(scene, mood), _test(scene))
        await _is_known(scene, mood)
    await _mistake(scene)
    await _rotate(scene)
    await _look_around(scene)
    await _search(scene)


def _fields(scene: Scene) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for each in scene.made.values():
        found[each.kind] = found.get(each.kind, frozenset()) | each.secrets
    return found


async def _connect(scene: Scene, name: str, endpoint: Endpoint) -> None:
    """Under an idempotency key, whose answer is kept."""
    made = scene.made[name] = _made(scene, name, endpoint)
    _believe(endpoint, made.config)
    body: dict[str, Any] = {"name": name, "type": made.kind, "config": made.config}
    if scene.path == CHANNELS_PATH:
        body["is_default"] = True
    headers = scene.tenant.headers | {"Idempotency-Key": name}
    http = scene.tenant.service.http
    first, again = [await http.post(scene.path, json=body, headers=headers) for _ in range(2)]
    assert first.status_code == again.status_code == 201, first.text
    row = first.json()["data"]
    scene.given[name] = f"{scene.path}/{row['id']}"
    scene.ids[name] = row.get("integration_id", row["id"])
    if scene.path == c.PATH:
        await n.channel(scene.tenant, scene.ids[name], made.kind)


def _made(scene: Scene, name: str, endpoint: Endpoint) -> Connection:
    if not isinstance(endpoint, TokenEndpoint):
        return connection(scene.canaries, name, endpoint.url)
    scene.mail.token = scene.canaries.like("ya29.AccessTokenOfTheExample")
    endpoint.expires_in = 0  # so that it is asked for every mail
    endpoint.tokens = [scene.mail.token] * 100
    return asking(scene.canaries, scene.mail.url, endpoint.url)


def _believe(endpoint: Endpoint, config: dict[str, Any]) -> None:
    """Have the vendor know the secrets that it is going to be shown."""
    match endpoint:
        case OpsgenieReceiver():
            endpoint.keys = frozenset({config["apiKey"]})
        case ServiceNowReceiver():
            endpoint.logins.users = {config.get("username", ""): config.get("password", "")}
            endpoint.logins.keys = {config.get("apiKey", "")}
            endpoint.logins.clients = {config.get("clientId", ""): config.get("clientSecret", "")}
            endpoint.logins.refresh_tokens = {config.get("refreshToken", "")}
        case SlackReceiver():
            endpoint.tokens = (config.get("botToken", ""),)
        case TeamsReceiver():
            endpoint.sig = None
        case WebhookReceiver():
            endpoint.secrets = (config["secret"],)
        case TokenEndpoint():
            endpoint.client_secret = config["clientSecret"]
            endpoint.refresh_token = config["refreshToken"]
        case smtp.SmtpReceiver():
            endpoint.password = config.get("password", endpoint.password)
            endpoint.token = config.get("accessToken", endpoint.token)


async def _notify(scene: Scene, mood: Mood) -> None:
    """Send one event to all, and wait until each has been tried. A mail server may be silent for
    minutes, so that its mail is on its way until it is well again. Who refused an earlier event a
    moment ago is not asked again before a time that is to come."""
    [id] = await n.notify(scene.tenant, title=f"control {mood.name}")

    def tried(found: list[dict[str, Any]]) -> bool:
        return bool(found) and all(is_tried(each) for each in found)

    def is_tried(each: dict[str, Any]) -> bool:
        is_mail = each["channelType"] == "email"
        if not each["log"]:
            return mood.name == "refusing" and _is_to_come(each["nextAttemptAt"])
        return (is_mail and mood.name == "silent") or bool(each["log"][0]["completedAt"])

    await n.deliveries(scene.tenant, id, tried)


def _is_to_come(time: str | None) -> bool:
    return bool(time) and datetime.fromisoformat(str(time)) > datetime.now(UTC)


async def _test(scene: Scene) -> None:
    """Test all of them, saved and then unsaved: a worker has room for 20 tests at a time, and those
    of silent vendors last long."""
    bodies = [{"type": each.kind, "config": each.config} for each in scene.made.values()]
    saved = (scene.tenant.post(f"{c.PATH}/{id}/test") for id in scene.ids.values())
    answers = await asyncio.gather(*saved)
    answers += await asyncio.gather(*(scene.tenant.post(f"{c.PATH}/test", body) for body in bodies))
    assert {each.status_code for each in answers} == {200}


async def _is_known(scene: Scene, mood: Mood) -> None:
    """The integrations' health and logs describe the vendors' behaviour."""
    for name, id in scene.ids.items():
        is_mail = isinstance(scene.endpoints[name], smtp.SmtpReceiver)
        is_said = re.compile(mood.error_of_mail or mood.error if is_mail else mood.error).search

        async def is_so(id: str = id, is_said: Any = is_said) -> bool:
            row = (await scene.tenant.get(f"{c.PATH}/{id}")).json()["data"]
            return row["health"] == mood.status and bool(is_said(row["last_error"] or ""))

        await until(is_so)
        logs = (await scene.tenant.get(f"{c.PATH}/{id}/logs", limit=100)).json()["data"]
        latest = [next(each for each in logs if each["action"] == "test"), logs[0]]
        assert {each["level"] for each in latest} == {mood.level}, logs
        assert all(is_said(each["detail"]) for each in latest), logs


async def _mistake(scene: Scene) -> None:
    """Send secrets in places where none belong."""
    secret = scene.canaries.values[0]
    for name, each in scene.made.items():
        body = {"name": "mistake", "type": each.kind, "config": each.config}
        for wrong in (
            body | {"name": name},
            body | {"type": secret},
            body | {"config": {**each.config, "maxInFlight": secret}},
            body | {"config": {key: f"{value} \u00e9\n" for key, value in each.config.items()}},
        ):
            response = await scene.tenant.post(scene.path, wrong)
            assert 400 <= response.status_code < 500, response.text
        plain = {"name": "mistake", "type": each.kind, "config": {"token": secret}}
        for wrong in (plain, body | {"integration_id": scene.ids[name]}):
            response = await scene.tenant.post(CHANNELS_PATH, wrong)
            assert response.status_code == 422, response.text
        http, headers = scene.tenant.service.http, scene.tenant.headers
        for config in ({"severity": secret}, {"token": secret}):
            change = {"config": config}
            response = await http.patch(scene.given[name], json=change, headers=headers)
            assert response.status_code == 422, response.text


async def _rotate(scene: Scene) -> None:
    """The new secret is shown this once, so that answer alone is not looked into."""
    for name, id in scene.ids.items():
        response = await scene.tenant.post(f"{c.PATH}/{id}/rotate-secret")
        if name == "generic_webhook":
            assert response.json()["secret"]
        assert response.status_code in (200, 409)


async def _look_around(scene: Scene) -> None:
    tenant = scene.tenant
    for path in ("notifications", "notification-channels", "integrations", "integrations/types"):
        response = await tenant.get(f"/v1/{path}")
        assert response.status_code == 200, response.text
    for each in (await tenant.get("/v1/notifications")).json()["data"]:
        await n.notification(tenant, each["id"])
    for path in ("/openapi.json", "/metrics", "/readyz", "/v1/api-keys", "/v1/nothing"):
        await tenant.get(path)


async def _search(scene: Scene) -> None:
    """Each place with something that must be found there, or nothing would be."""
    home, told = scene.stack.ready_file.parent, scene.stack.told
    temporal = await connect(told["temporal"], "default")
    places = {
        "API": ("control silent", "\n".join(scene.bodies)),
        "histories": (scene.ids["slack"], await histories(temporal)),
        "database": ("control silent", await c.everything(scene.tenant)),
    }
    for name, (control, text) in places.items():
        assert control in text, name
        assert scene.canaries.within(text.encode()) == [], name
    files = on_disk(home)
    logs = b"".join(content for name, content in files.items() if name.startswith("logs/"))
    assert b"DEBUG" in logs
    assert any(b"control silent" in content for content in files.values())
    for name, content in files.items():
        assert scene.canaries.within(content) == [], name


def test_a_canary_is_found_however_it_is_written() -> None:
    for length in range(3):
        canaries = Canaries()
        secret = canaries.like("xoxb-0000-BotTokenOfTheExample")
        around = random.randbytes(length) + secret.encode() + b"."
        for written in (
            around,
            base64.b64encode(around),
            base64.urlsafe_b64encode(around),
            around.hex().encode(),
            quote(secret).encode(),
        ):
            assert canaries.within(b"something " + written)
        assert canaries.within(b"something else") == []
