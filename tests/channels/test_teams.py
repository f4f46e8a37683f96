"""Teams: the card, what the workflow's answers mean, what a test proves, which URLs can work."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from channels.channel import Outgoing
from channels.egress import egress
from channels.teams import Teams, TeamsConfig
from channels.teams_card import envelope
from channels.text import compact
from domain.delivery import Check, DeliveryFailed, DeliveryStatus, Failure, FailureClass, Receipt
from domain.message import Message
from domain.notification import Action, Severity
from tests.channels.examples import message, outgoing
from tests.receivers.receiver import Reply, serving
from tests.receivers.teams import EXAMPLE_SIG, TeamsReceiver

CHANNEL = Teams()
POWER = (
    "https://default0123456789abcdef0123456789abcdef.ab.environment.api.powerplatform.com:443"
    "/powerautomate/automations/direct/workflows/0123456789abcdef0123456789abcdef/triggers/manual"
    "/paths/invoke?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0"
)


async def send(receiver: TeamsReceiver, said: Message | None = None, **config: Any) -> Receipt:
    made: Outgoing[TeamsConfig] = outgoing("teams", receiver.url, said, **config)
    async with egress(receiver.allowed) as out:
        return await CHANNEL.deliver(made, CHANNEL.request(made), out)


async def failure(receiver: TeamsReceiver, **config: Any) -> Failure:
    with pytest.raises(DeliveryFailed) as raised:
        await send(receiver, **config)
    return raised.value.failure


async def checks_of(receiver: TeamsReceiver) -> list[Check]:
    async with egress(receiver.allowed) as out:
        return await CHANNEL.test(outgoing("teams", receiver.url).config, out)


def card(said: Message) -> dict[str, Any]:
    [attachment] = envelope(said)["attachments"]
    content: dict[str, Any] = attachment["content"]
    return content


def test_a_card_has_all_that_is_known() -> None:
    made = card(message())
    title, body, facts = made["body"]
    assert (made["type"], made["version"]) == ("AdaptiveCard", "1.4")
    assert title["text"] == "Database is slow"
    assert body["text"] == "Queries take 20 s.\n\n\\*Who\\* can \\<look\\>?"
    assert {each["title"]: each["value"] for each in facts["facts"]} == {
        "Event": "incident.created",
        "Severity": "error",
        "Entity": "incident INC-1042",
        "Time": "2026-11-23 10:00:00 UTC",
        "service": "orders",
        "impact": "2",
    }
    assert made["actions"] == [
        {
            "type": "Action.OpenUrl",
            "title": "Open",
            "url": "https://firelater.example/incidents/INC-1042",
        }
    ]


def test_content_url_is_there_and_null() -> None:
    assert '"contentUrl":null' in compact(envelope(message())).decode()


def test_a_message_without_words_has_its_title_and_facts() -> None:
    made = card(message(title=" \u202e", body="\n ", url=None, entity_type=None, entity_id=None))
    assert [each["type"] for each in made["body"]] == ["TextBlock", "FactSet"]
    assert made["body"][0]["text"] == "incident.created"
    assert "actions" not in made


def test_severities_have_their_colours() -> None:
    colours = {each: card(message(severity=each))["body"][0]["color"] for each in Severity}
    assert colours[Severity.CRITICAL] == "attention"
    assert len(set(colours.values())) == 3
    assert card(message(action=Action.RESOLVE))["body"][0]["color"] == "good"


@pytest.mark.parametrize("text", ["x", "漢", "😀", "*", '"', "[a](b)", "https://a.example/b "])
def test_the_body_gives_way_and_the_rest_is_whole(text: str) -> None:
    made = card(message(body="a" + text * (100_000 // len(text) - 1)))
    short = card(message(body="a"))
    assert made["body"][1]["text"].endswith("…")
    assert [made["body"][0], made["body"][2]] == [short["body"][0], short["body"][2]]
    assert made["actions"] == short["actions"]
    assert len(compact(envelope(message(body=text * 20_000)))) <= 21_000


def test_a_long_link_is_left_out_not_cut() -> None:
    assert "actions" not in card(message(url="https://a.example/" + "p" * 2_100))
    assert len(card(message(url="https://a.example/" + "p" * 2_000))["actions"]) == 1


async def test_202_is_accepted_and_names_its_run() -> None:
    receiver = TeamsReceiver()
    async with serving(receiver):
        receipt = await send(receiver)
    assert (receipt.status, receipt.code) == (DeliveryStatus.ACCEPTED, 202)
    assert receipt.reference == {"workflow_run_id": receiver.runs[0].id}
    assert receiver.cards == [card(message())]


async def test_the_url_is_called_as_it_is_written() -> None:
    receiver = TeamsReceiver()
    async with serving(receiver):
        await send(receiver)
        url = outgoing("teams", receiver.url).config.webhook_url.get_secret_value()
    assert receiver.received[0].path == url.removeprefix(receiver.url)
    assert "%2Ftriggers%2Fmanual%2Frun" in receiver.received[0].path


async def test_a_wrong_signature_is_a_matter_of_the_config() -> None:
    receiver = TeamsReceiver(sig="another")
    async with serving(receiver):
        found = await failure(receiver)
    assert (found.kind, found.status) == (FailureClass.MISCONFIGURED, 401)
    assert "DirectApiAuthorizationRequired" in found.detail
    assert EXAMPLE_SIG not in found.detail


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "TriggerInputSchemaMismatch", FailureClass.PERMANENT),
        (404, "WorkflowNotFound", FailureClass.PERMANENT),
        (413, "RequestEntityTooLarge", FailureClass.PERMANENT),
        (502, "NoResponse", FailureClass.TRANSIENT),
    ],
)
async def test_errors_are_named(status: int, code: str, kind: FailureClass) -> None:
    receiver = TeamsReceiver()
    receiver.always = Reply(status, json.dumps({"error": {"code": code, "message": "m"}}))
    async with serving(receiver):
        found = await failure(receiver)
    assert (found.kind, found.status) == (kind, status)
    assert code in found.detail


async def test_a_deleted_flow_is_permanent() -> None:
    receiver = TeamsReceiver()
    async with serving(receiver):
        found = await failure(receiver, webhookUrl=f"{receiver.url}/workflows/none?sig=x")
    assert (found.kind, found.status) == (FailureClass.PERMANENT, 404)


async def test_too_many_a_second_are_throttled() -> None:
    receiver = TeamsReceiver(per_second=1)
    async with serving(receiver):
        await send(receiver)
        found = await failure(receiver)
    assert (found.kind, found.retry_after) == (FailureClass.THROTTLED, 1)


async def test_a_test_sends_a_card_that_says_so_and_claims_no_more_than_202_does() -> None:
    receiver = TeamsReceiver()
    async with serving(receiver):
        [check] = await checks_of(receiver)
    assert check.ok
    assert "Not proved: that the run posts the card" in check.detail
    assert "test" in receiver.cards[0]["body"][0]["text"]


async def test_a_test_says_why_it_failed() -> None:
    async with serving(TeamsReceiver(sig="another")) as receiver:
        assert isinstance(receiver, TeamsReceiver)
        [check] = await checks_of(receiver)
    assert (check.ok, check.kind) == (False, FailureClass.MISCONFIGURED)
    assert "401" in check.detail


@pytest.mark.parametrize(
    "url",
    [
        "https://contoso.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d",
        "https://CONTOSO.Webhook.Office.COM./webhookb2/a",
        "https://contoso.webhook.office.com:443/webhookb2/a",
        "https://outlook.office.com/webhook/a@b/IncomingWebhook/c/d",
        "https://outlook.office365.com/webhook/a@b/IncomingWebhook/c/d",
    ],
)
def test_retired_connectors_are_refused_with_the_way_out(url: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TeamsConfig.model_validate({"webhookUrl": url})
    [error] = raised.value.errors()
    assert error["loc"] == ("webhookUrl",)
    assert "retired" in error["msg"]
    assert "workflow" in error["msg"]
    assert "contoso" not in str(raised.value).lower()


@pytest.mark.parametrize(
    "url",
    [
        POWER,
        POWER + "&amp;sig=abc",
        POWER + "&sig=",
        "https://prod-11.westeurope.logic.azure.com/workflows/a/triggers/manual/paths/invoke",
        "https://[a",
        "",
    ],
)
def test_urls_that_cannot_work_are_refused(url: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TeamsConfig.model_validate({"webhookUrl": url})
    assert [error["loc"] for error in raised.value.errors()] == [("webhookUrl",)]


def test_workflows_are_taken_as_they_are() -> None:
    for url in (f"{POWER}&sig=a-b_c", "https://outlook.office.com.example/webhook/a"):
        assert TeamsConfig.model_validate({"webhookUrl": url}).urls() == (url,)


async def posted(receiver: TeamsReceiver, body: Any, drop: str = "") -> tuple[int, str]:
    """What the receiver answers to anything, and the code of the error."""
    url = outgoing("teams", receiver.url).config.webhook_url.get_secret_value()
    target = urlsplit(url)
    query = "&".join(part for part in target.query.split("&") if not (drop and drop in part))
    async with egress(receiver.allowed) as out:
        reply = await out.send("POST", target._replace(query=query).geturl(), {}, compact(body))
    return reply.status, json.loads(reply.body)["error"]["code"] if reply.body else ""


async def test_the_receiver_answers_as_the_vendor_does() -> None:
    good = envelope(replace(message(), title="posted"))
    [attachment] = good["attachments"]
    without = {name: attachment[name] for name in ("contentType", "content")}
    receiver = TeamsReceiver()
    async with serving(receiver):
        assert await posted(receiver, good) == (202, "")
        assert await posted(receiver, good, "sig=") == (401, "DirectApiAuthorizationRequired")
        assert await posted(receiver, good, "api-version") == (400, "MissingApiVersionParameter")
        mismatch = (400, "TriggerInputSchemaMismatch")
        assert await posted(receiver, {"type": "message", "attachments": [without]}) == mismatch
        assert await posted(receiver, []) == mismatch
        # Accepted, but the run fails.
        assert await posted(receiver, {"text": "as to a connector"}) == (202, "")
        old = {**attachment, "content": {"type": "MessageCard"}}
        assert await posted(receiver, {"type": "message", "attachments": [old]}) == (202, "")
        large = {**good, "padding": "x" * 28_000}
        assert await posted(receiver, large) == (202, "")
    assert len(receiver.cards) == 1
    assert [bool(run.failure) for run in receiver.runs] == [False, True, True, True]
