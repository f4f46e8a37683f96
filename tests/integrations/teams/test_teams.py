"""Teams: the card, the meaning of the workflow's answers, its connection test, valid URLs."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.notification.event import Action, Severity
from domain.notification.message import Latest, Message
from egress.client import egress
from integrations.channel import Outgoing
from integrations.teams.card import envelope
from integrations.teams.channel import Teams, TeamsConfig
from integrations.text import compact, one_line
from receivers.receiver import Reply, serving
from receivers.teams import EXAMPLE_SIG, TeamsReceiver
from tests.integrations.examples import message, outgoing

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


def runs(made: dict[str, Any]) -> list[list[str]]:
    """The card's texts: its text blocks, each as the texts of its runs."""
    assert {each["type"] for each in made["body"]} == {"RichTextBlock"}
    return [[run["text"] for run in each["inlines"]] for each in made["body"]]


def facts(made: dict[str, Any]) -> dict[str, str]:
    return {each[0].removesuffix(": "): each[1] for each in runs(made) if len(each) == 2}


def test_a_card_has_all_that_is_known() -> None:
    made = card(message())
    assert (made["type"], made["version"]) == ("AdaptiveCard", "1.4")
    assert made["msteams"] == {"width": "Full"}
    assert runs(made)[:2] == [["Database is slow"], ["Queries take 20 s.\n*Who* can <look>?"]]
    assert facts(made) == {
        "Event": "incident.created",
        "Severity": "error",
        "Entity": "incident INC-1042",
        "Time": "2026-11-23 10:00:00 UTC",
        "service": "orders",
        "impact": "2",
        "path": "eu, db",
    }
    assert made["actions"] == [
        {
            "type": "Action.OpenUrl",
            "title": "View Details",
            "url": "https://firelater.example/incidents/INC-1042",
        }
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Swap on web-2 (71 % used)",
        "D:\\Logs\\new (x64)\\[old]",
        "- eins\n+ zwei\n# drei\n2. vier\n---",
        "<staging> `ls` ~3 min *now* _x_ **b** ~~s~~",
        "[bank](https://evil.example) &lt;b&gt; &amp; <at>all</at>",
        "a\\_b\\*c\\]d",
    ],
)
def test_text_is_shown_as_it_is_by_every_client(text: str) -> None:
    """Text runs are not read as Markdown: the text itself must stand there, not escaped."""
    made = card(message(title=text.replace("\n", " "), body=text, facts=((text[:9], text),)))
    assert runs(made)[:2] == [[text.replace("\n", " ")], [text]]
    assert runs(made)[-1] == [f"{one_line(text[:9])}: ", one_line(text)]


def test_indented_lines_keep_their_indent() -> None:
    [_, [body], *_] = runs(card(message(body="def f():\n    return\n\tend")))
    assert body == "def f():\n\u00a0\u00a0\u00a0\u00a0return\n\u00a0end"


def test_what_comes_late_or_perhaps_again_says_so_first() -> None:
    latest = Latest("incident.closed", "All\nis *well*", datetime(2026, 11, 23, 11, tzinfo=UTC))
    [_, [late], [again], [body], *_] = runs(card(message(latest=latest, repeated=True)))
    assert late == (
        "Late: this happened at 2026-11-23 10:00:00 UTC. Already sent here: incident.closed"
        " at 2026-11-23 11:00:00 UTC: All is *well*"
    )
    assert again.startswith("Perhaps a repetition")
    assert body.startswith("Queries")


def test_content_url_is_there_and_null() -> None:
    assert '"contentUrl":null' in compact(envelope(message())).decode()


def test_a_message_without_words_has_its_title_and_facts() -> None:
    made = card(message(title=" \u202e", body="\n ", url=None, entity_type=None, entity_id=None))
    assert runs(made)[0] == ["incident.created"]
    assert {len(each) for each in runs(made)[1:]} == {2}
    assert "actions" not in made


def colour(said: Message) -> str:
    found: str = card(said)["body"][0]["inlines"][0]["color"]
    return found


def test_severities_have_their_colours() -> None:
    colours = {each: colour(message(severity=each)) for each in Severity}
    assert colours[Severity.CRITICAL] == "attention"
    assert len(set(colours.values())) == 3
    assert colour(message(action=Action.RESOLVE)) == "good"


@pytest.mark.parametrize("text", ["x", "漢", "😀", "\\", '"', "[a](b)", "https://a.example/b "])
def test_the_body_gives_way_and_the_rest_is_whole(text: str) -> None:
    """Counted as the vendor does: the card is a string of JSON within JSON."""
    said = message(body="a" + text * (100_000 // len(text) - 1))
    made, short = card(said), card(message(body="a"))
    assert runs(made)[1][0].endswith("…")
    assert [made["body"][0], *made["body"][2:]] == [short["body"][0], *short["body"][2:]]
    assert made["actions"] == short["actions"]
    string_in_json = json.dumps(compact(envelope(said)).decode(), ensure_ascii=False).encode()
    assert 27_950 < len(string_in_json) <= 28_000


def test_a_long_link_is_shown_as_text_not_cut_to_another() -> None:
    long = card(message(url="https://a.example/" + "p" * 2_100))
    assert "actions" not in long
    assert facts(long)["url"].startswith("https://a.example/ppp")
    assert facts(long)["url"].endswith("…")
    fitting = card(message(url="https://a.example/" + "p" * 2_000))
    assert len(fitting["actions"]) == 1
    assert "url" not in facts(fitting)


@pytest.mark.parametrize(
    ("url", "made"),
    [
        ("https://db_1.example/x", "https://db_1.example/x"),
        ("HTTPS://bücher.example/a b", "https://xn--bcher-kva.example/a%20b"),
    ],
)
def test_a_link_is_written_as_teams_takes_it(url: str, made: str) -> None:
    assert card(message(url=url))["actions"][0]["url"] == made
    for none in ("javascript:alert(1)", "https://bank.example@evil.example"):
        assert "actions" not in card(message(url=none))
        assert facts(card(message(url=none)))["url"] == none


async def test_202_is_accepted_and_names_its_run() -> None:
    receiver = TeamsReceiver()
    async with serving(receiver):
        receipt = await send(receiver)
    assert (receipt.confirmed, receipt.code) == (False, 202)
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
        (400, "TriggerInputSchemaMismatch", FailureClass.MISCONFIGURED),
        (400, "MissingApiVersionParameter", FailureClass.MISCONFIGURED),
        (400, "WorkflowTriggerIsNotEnabled", FailureClass.MISCONFIGURED),
        (404, "WorkflowNotFound", FailureClass.MISCONFIGURED),
        (400, "InvalidRequestContent", FailureClass.PERMANENT),
        (404, "SomethingNew", FailureClass.TRANSIENT),
        (409, "Conflict", FailureClass.TRANSIENT),
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


async def test_a_deleted_flow_waits_for_another() -> None:
    receiver = TeamsReceiver()
    async with serving(receiver):
        found = await failure(receiver, webhookUrl=f"{receiver.url}/workflows/none?sig=x")
    assert (found.kind, found.status) == (FailureClass.MISCONFIGURED, 404)
    assert "make another" in found.detail


@pytest.mark.parametrize("status", [200, 201, 204, 207])
async def test_a_response_action_confirms_what_it_answers(status: int) -> None:
    run = {"x-ms-workflow-run-id": "08584712345"}
    receiver = TeamsReceiver()
    async with serving(receiver):
        receiver.told.append(Reply(status, headers=run))
        receipt = await send(receiver)
        assert (receipt.confirmed, receipt.code) == (True, status)
        assert receipt.reference == {"workflow_run_id": "08584712345"}
        receiver.told.append(Reply(status, "" if status == 204 else '{"posted": true}'))
        assert not (await send(receiver)).confirmed  # no run is named
        receiver.told.append(Reply(status, headers=run))
        [check] = await checks_of(receiver)
    assert check.ok
    assert "Response action" in check.detail


async def test_a_page_for_people_is_no_success() -> None:
    receiver = TeamsReceiver()
    async with serving(receiver):
        receiver.told.append(Reply(200, "<!doctype html><title>Sign in</title>"))
        assert (await failure(receiver)).kind is FailureClass.TRANSIENT
        receiver.told.append(Reply(200, "<html>ok</html>", {"X-Ms-Workflow-Run-Id": "1"}))
        assert (await send(receiver)).confirmed


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
    assert "test" in runs(receiver.cards[0])[0][0]


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
    """The receiver's answer, and the code of its error."""
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
