"""Slack: destinations, the meaning of its answers, its connection test, valid configs."""

import asyncio
import json
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from slack_sdk.web.async_client import AsyncWebClient

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.notification.message import Latest, Message
from egress.client import egress
from integrations.channel import Outgoing
from integrations.slack.blocks import content
from integrations.slack.channel import Slack
from integrations.slack.config import SlackConfig, SlackOptions, canonical
from receivers.receiver import Reply, serving
from receivers.slack import EXAMPLE_TOKEN, SlackReceiver, channel_id
from tests.integrations.examples import message, outgoing

CHANNEL = Slack()
HOOK = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"


def going(url: str, said: Message | None = None, **options: Any) -> Outgoing[SlackConfig]:
    made: Outgoing[SlackConfig] = outgoing("slack", url, said)
    return Outgoing(made.message, made.config, SlackOptions(**options))


async def send(
    receiver: SlackReceiver, said: Message | None = None, stem: str = "slack", **options: Any
) -> Receipt:
    made = outgoing(stem, receiver.url, said)
    made = Outgoing(made.message, made.config, SlackOptions(**options))
    async with egress(receiver.allowed) as out:
        return await CHANNEL.deliver(made, CHANNEL.request(made), out)


async def failure(receiver: SlackReceiver, stem: str = "slack", **options: Any) -> Failure:
    with pytest.raises(DeliveryFailed) as raised:
        await send(receiver, stem=stem, **options)
    return raised.value.failure


async def checks_of(receiver: SlackReceiver, stem: str = "slack") -> list[Check]:
    async with egress(receiver.allowed) as out:
        return await CHANNEL.test(outgoing(stem, receiver.url).config, out)


def blocks_of(said: Message, kind: str) -> list[dict[str, Any]]:
    return [block for block in content(said)["blocks"] if block["type"] == kind]


def body_of(said: Message) -> str:
    """The first section's text."""
    text: str = blocks_of(said, "section")[0]["text"]["text"]
    return text


def test_a_message_has_all_that_is_known() -> None:
    made = CHANNEL.request(going("https://slack.example"))
    assert made["text"] == "Database is slow\nQueries take 20 s.\n*Who* can &lt;look&gt;?"
    assert str(UUID(made["client_msg_id"])) == message().delivery_id
    header, body, facts, context, actions = made["blocks"]
    assert header["text"]["text"] == "Database is slow"
    assert body["text"] == {
        "type": "mrkdwn",
        "text": "Queries take 20 s.\n*Who* can &lt;look&gt;?",
        "verbatim": True,
    }
    assert [each["text"] for each in facts["fields"]] == [
        "service\norders",
        "impact\n2",
        "path\neu, db",
    ]
    assert [each["text"] for each in context["elements"]] == [
        "incident: INC-1042",
        "incident.created",
        "error",
        "2026-11-23 10:00:00 UTC",
    ]
    [button] = actions["elements"]
    assert button["url"] == "https://firelater.example/incidents/INC-1042"
    assert button["action_id"]


def test_nothing_is_where_slack_folds_it() -> None:
    """Attachments are folded after a few lines, and so are long sections that do not say so."""
    made = content(message(body="line\n" * 500))
    assert "attachments" not in made
    sections = [block for block in made["blocks"] if block["type"] == "section"]
    assert len(sections) == 2
    assert all(section["expand"] is True for section in sections)


def test_a_message_without_words_has_no_empty_blocks() -> None:
    nothing: dict[str, Any] = {"url": None, "facts": (), "entity_type": None, "entity_id": None}
    header, context = content(message(title=" \u202e\n", body=" \n", **nothing))["blocks"]
    assert header["text"]["text"] == "incident.created"
    assert [each["type"] for each in context["elements"]] == ["plain_text"] * 3


def test_formatting_shows_and_nothing_else_is_read_into_a_body() -> None:
    body = "*bold* <!channel> <@U1> <https://evil.example|https://bank.example> @here a&b `x`"
    [section] = blocks_of(message(body=body, facts=()), "section")
    assert section["text"] == {
        "type": "mrkdwn",
        "text": "*bold* &lt;!channel&gt; &lt;@U1&gt;"
        " &lt;https://evil.example|https://bank.example&gt; @here a&amp;b `x`",
        "verbatim": True,
    }
    context = blocks_of(message(entity_type="<!here>", entity_id="a\n<@U1>"), "context")[0]
    about = {"type": "mrkdwn", "text": "&lt;!here&gt;: a &lt;@U1&gt;", "verbatim": True}
    assert context["elements"][0] == about


def test_an_escape_is_whole_where_a_body_is_cut() -> None:
    for length in range(2_990, 3_001):
        shown = body_of(message(body="b" * length + "<&>" * 10))
        assert not re.search("[<>]|&(?!(amp|lt|gt);)", shown)
        assert len(shown) <= 3_000


def test_what_is_too_long_is_cut_and_says_so() -> None:
    said = message(title="t" * 151, body="b" * 3_001, facts=(("n", "v" * 200),))
    assert blocks_of(said, "header")[0]["text"]["text"] == "t" * 149 + "…"
    title, body = (block["text"]["text"] for block in blocks_of(said, "section")[:2])
    assert (title, body) == ("t" * 151, "b" * 2_848 + "…")  # the title once more, whole
    assert body_of(message(body="b" * 3_001)) == "b" * 2_999 + "…"
    assert blocks_of(said, "section")[2]["fields"][0]["text"] == "n\n" + "v" * 149 + "…"


def test_what_just_fits_is_whole() -> None:
    said = message(title="t" * 150, body="b" * 3_000)
    assert blocks_of(said, "header")[0]["text"]["text"] == "t" * 150
    assert body_of(said) == "b" * 3_000


def test_a_link_in_a_text_is_shown_whole_or_not_at_all() -> None:
    link = "https://bank.example/accounts/1042"
    for words in range(2_900, 3_001):
        shown = body_of(message(body="w" * words + f" {link} {'x' * 200}"))
        assert link in shown or "://" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/" + "p" * 2_983,
        "https://",
        "https://[::1",
        "https://a b.example",
        "javascript:alert(1)",
        "https://a.example:99999999/",
        "https://user@a.example/",
        "https://a_b.example/x",
    ],
)
def test_a_link_that_slack_would_refuse_is_shown_as_text(url: str) -> None:
    said = message(url=url)
    assert blocks_of(said, "actions") == []
    shown = blocks_of(said, "section")[1]["fields"][0]["text"]
    name, _, text = shown.partition("\n")
    assert name == "url"
    assert text == url or (text.endswith("…") and url.startswith(text[:-1]) and len(text) == 150)


def test_what_comes_late_or_perhaps_again_says_so_first() -> None:
    latest = Latest("incident.resolved", "All\nis <well>", datetime(2026, 11, 23, 11, tzinfo=UTC))
    said = message(latest=latest, repeated=True)
    _, late, repeated, body, *_ = content(said)["blocks"]
    assert late["text"] == {
        "type": "plain_text",
        "text": "Late: this happened at 2026-11-23 10:00:00 UTC. Already sent here:"
        " incident.resolved at 2026-11-23 11:00:00 UTC: All is <well>",
        "emoji": False,
    }
    assert repeated["text"]["text"].startswith("Perhaps a repetition")
    assert body["text"]["text"].startswith("Queries")
    assert "Already sent here: incident.resolved" in content(said)["text"]
    assert "Late" not in json.dumps(content(message()))


@pytest.mark.parametrize(
    ("event_type", "options", "channel"),
    [
        ("problem.created", {}, "#operations"),
        ("incident.created", {}, "#incidents"),
        ("incident.sla.breached", {}, "C0123456789"),
        ("incident", {}, "#operations"),
        ("incidental.created", {}, "#operations"),
        ("incident.created", {"channel": "#ops"}, "#ops"),
        ("incident.created", {"channel": "オプス"}, "オプス"),
        ("incident.created", {"channel": None}, "#incidents"),
        ("incident.created", {"channel": "OPS"}, "OPS"),
        (
            "incident.created",
            {"channel": "https://acme.slack.com/archives/C0123456789/p1700000000000100?x=1"},
            "C0123456789",
        ),
    ],
)
def test_events_go_to_their_channels(
    event_type: str, options: dict[str, Any], channel: str
) -> None:
    made = going("https://slack.example", message(event_type=event_type), **options)
    assert CHANNEL.request(made)["channel"] == channel
    assert CHANNEL.destination(made) == canonical(channel)


@pytest.mark.parametrize(
    "channel",
    [
        *("", "#", "a b", "<!channel>", "#a b", "@ada", "x" * 82, 7, ["#ops"], {"a": 1}, True),
        *("https://acme.slack.com/team/U0123456789", "https://evil.example/archives/C0123456789"),
    ],
)
def test_a_channel_that_cannot_be_is_refused(channel: Any) -> None:
    for model in (SlackOptions, SlackConfig):
        name = "channel" if model is SlackOptions else "defaultChannel"
        rest = {} if model is SlackOptions else {"botToken": EXAMPLE_TOKEN}
        with pytest.raises(ValidationError) as raised:
            model.model_validate({name: channel, **rest})
        assert [error["loc"] for error in raised.value.errors()] == [(name,)]


@pytest.mark.parametrize(
    "link",
    [
        "https://acme.slack.com/archives/C012345",
        "https://acme.slack.com/archives/C012345/p1700000000000100",
        "https://acme.enterprise.slack.com/archives/C012345?thread_ts=1.2&cid=C012345",
        "https://acme.slack-gov.com/archives/C012345",
        "https://app.slack.com/client/T0001/C012345",
        "https://app.slack.com/client/T0001/C012345/thread/C012345-1.2",
    ],
)
def test_a_link_to_a_channel_is_its_id(link: str) -> None:
    config = {"botToken": EXAMPLE_TOKEN, "defaultChannel": link, "channelMap": {"a": link}}
    assert SlackOptions(channel=link).channel == "C012345"
    assert SlackConfig.model_validate(config).channel_of("a") == "C012345"
    assert SlackConfig.model_validate(config).default_channel == "C012345"


NAMES = st.text(st.characters(categories=["Ll", "Lo", "Nd"], include_characters="-_"), min_size=1)


@settings(deadline=None)  # of a machine that others use
@given(NAMES)
def test_a_channel_has_one_name_however_it_is_written(name: str) -> None:
    forms = {name, f"#{name}", f" {name} ", unicodedata.normalize("NFD", name)}
    if not re.fullmatch("[CDGUW][A-Z0-9]{6,20}", name.upper()):
        forms.add(name.upper() if name.upper().lower() == name else name)
    assert len({canonical(form) for form in forms}) == 1
    assert canonical(canonical(name)) == canonical(name)


def test_the_map_and_the_default_name_one_destination() -> None:
    config = {"botToken": EXAMPLE_TOKEN, "defaultChannel": "#ops", "channelMap": {"a.b": "Ops"}}
    opened = SlackConfig.model_validate(config)
    made = [
        Outgoing(message(event_type=type), opened, SlackOptions(**options))
        for type, options in (("a.b", {}), ("c.d", {}), ("e.f", {"channel": " ops "}))
    ]
    assert {CHANNEL.destination(each) for each in made} == {"ops"}
    assert [CHANNEL.request(each)["channel"] for each in made] == ["Ops", "#ops", "ops"]


def test_an_id_is_no_name() -> None:
    assert canonical("C0123456789") == canonical("#C0123456789") == "C0123456789"
    assert canonical("c0123456789") != canonical("C0123456789")
    assert canonical("CHANGES") == canonical("#changes")
    assert canonical("ops") != canonical("ops2")


async def test_the_receipt_is_the_handle_of_the_message() -> None:
    receiver = SlackReceiver(channels={"incidents"})
    async with serving(receiver):
        receipt = await send(receiver)
    [posted] = receiver.messages
    assert receipt.confirmed
    assert receipt.reference == {"channel": channel_id("#incidents"), "ts": posted["ts"]}
    assert receipt.destination == channel_id("#incidents")
    assert receiver.received[0].headers["Authorization"] == f"Bearer {EXAMPLE_TOKEN}"
    assert EXAMPLE_TOKEN not in json.dumps(CHANNEL.request(going(receiver.url)))


@pytest.mark.parametrize("channel", ["", "#ops", "c0123456789", EXAMPLE_TOKEN, "C0\0", None, [1]])
async def test_an_id_that_is_none_is_not_learnt(channel: Any) -> None:
    receiver = SlackReceiver()
    receiver.always = Reply(200, json.dumps({"ok": True, "channel": channel, "ts": "1.2"}))
    async with serving(receiver):
        assert (await send(receiver)).destination == ""


async def test_an_answer_longer_than_is_read_is_still_success() -> None:
    receiver = SlackReceiver()
    message = json.dumps({"text": "\\u6f22" * 20_000})
    receiver.always = Reply(
        200, f'{{"ok":true,"channel":"C1","ts":"1700000000.000100","message":{message}}}'
    )
    async with serving(receiver):
        receipt = await send(receiver)
    assert receipt.reference == {"channel": "C1", "ts": "1700000000.000100"}


async def test_a_failure_that_quotes_success_is_none() -> None:
    receiver = SlackReceiver()
    receiver.always = Reply(200, '{"ok":false,"error":"no_text","x":{"ok":true,"channel":"C1"')
    async with serving(receiver):
        assert (await failure(receiver)).kind is FailureClass.TRANSIENT


async def test_a_webhook_answers_ok_and_names_no_message() -> None:
    receiver = SlackReceiver()
    async with serving(receiver):
        receipt = await send(receiver, stem="slack_webhook")
    assert (receipt.confirmed, receipt.reference) == (True, None)
    assert receiver.messages[0]["message"] == content(message())
    assert CHANNEL.destination(outgoing("slack_webhook", receiver.url)) == ""


@pytest.mark.parametrize(
    ("receiver", "kind", "detail"),
    [
        (SlackReceiver(tokens=()), FailureClass.MISCONFIGURED, "invalid_auth"),
        (SlackReceiver(scopes=("chat:read",)), FailureClass.MISCONFIGURED, "missing_scope"),
        (SlackReceiver(channels=("#x",)), FailureClass.MISCONFIGURED, "channel_not_found: there"),
        (SlackReceiver(archived=("incidents",)), FailureClass.MISCONFIGURED, "unarchive it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_errors_with_status_200_are_errors(
    receiver: SlackReceiver, kind: FailureClass, detail: str
) -> None:
    async with serving(receiver):
        found = await failure(receiver)
    assert (found.kind, found.status) == (kind, 200)
    assert detail in found.detail
    assert receiver.messages == []


@pytest.mark.parametrize(
    ("error", "maybe_sent"),
    [
        ("internal_error", True),
        ("fatal_error", True),
        ("service_unavailable", False),
        ("request_timeout", False),
    ],
)
async def test_slack_says_which_errors_may_come_after_the_message(
    error: str, maybe_sent: bool
) -> None:
    receiver = SlackReceiver()
    receiver.always = Reply(200, json.dumps({"ok": False, "error": error}))
    async with serving(receiver):
        found = await failure(receiver)
    assert (found.kind, found.maybe_sent) == (FailureClass.TRANSIENT, maybe_sent)


# All errors that docs.slack.dev lists for chat.postMessage, and the answers of its webhooks.
OF_THE_MESSAGE = """msg_too_long msg_blocks_too_long no_text invalid_blocks invalid_blocks_format
    too_many_attachments attachment_payload_limit_exceeded invalid_metadata_format
    markdown_text_conflict missing_file_data cannot_reply_to_message invalid_arguments
    invalid_form_data duplicate_message_not_found"""
TO_MEND = """not_authed invalid_auth account_inactive token_revoked token_expired missing_scope
    no_permission not_allowed_token_type ekm_access_denied access_denied accesslimited
    team_access_not_granted team_not_found enterprise_is_restricted two_factor_setup_required
    channel_not_found not_in_channel is_archived restricted_action messages_tab_disabled
    restricted_action_read_only_channel restricted_action_thread_only_channel
    restricted_action_non_threadable_channel restricted_action_thread_locked
    slack_connect_canvas_sharing_blocked slack_connect_file_link_sharing_blocked
    deprecated_endpoint method_deprecated unknown_method"""
PASSING = """internal_error fatal_error request_timeout service_unavailable team_added_to_org
    org_login_required message_limit_exceeded an_error_of_next_year workspace_is_napping"""


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        (OF_THE_MESSAGE, FailureClass.PERMANENT),
        (TO_MEND, FailureClass.MISCONFIGURED),
        (PASSING, FailureClass.TRANSIENT),
        ("ratelimited rate_limited", FailureClass.THROTTLED),
    ],
    ids=["message", "mend", "passing", "rate"],
)
async def test_final_is_only_what_slack_documents_as_a_fault_of_the_message(
    errors: str, kind: FailureClass
) -> None:
    receiver, found = SlackReceiver(), {}
    async with serving(receiver), egress(receiver.allowed) as out:
        made = going(receiver.url)
        for error in errors.split():
            receiver.told.append(Reply(200, json.dumps({"ok": False, "error": error})))
            with pytest.raises(DeliveryFailed) as raised:
                await CHANNEL.deliver(made, CHANNEL.request(made), out)
            found[error] = raised.value.failure
    assert {error: each.kind for error, each in found.items() if each.kind is not kind} == {}
    if kind is FailureClass.MISCONFIGURED:  # each says what can be done
        assert [error for error, each in found.items() if each.detail.endswith(error)] == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "ok"),
        (200, '{"success": true}'),  # Rocket.Chat
        (200, '{"ok": true}'),
        (201, ""),
        (204, ""),
        (202, '{"status": "queued", "error": null}'),
    ],
)
async def test_others_that_take_slacks_messages_answer_any_2xx(status: int, body: str) -> None:
    receiver = SlackReceiver()
    receiver.always = Reply(status, body)
    async with serving(receiver):
        receipt = await send(receiver, stem="slack_webhook")
    assert (receipt.confirmed, receipt.code) == (True, status)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, '{"success": false, "error": "Invalid integration id"}', FailureClass.TRANSIENT),
        (200, '{"ok": false, "error": "channel_not_found"}', FailureClass.MISCONFIGURED),
        (200, '{"ok": false, "error": "no_text"}', FailureClass.PERMANENT),
        (200, "invalid_token", FailureClass.MISCONFIGURED),
        (200, "<!DOCTYPE html><title>Sign in</title>", FailureClass.TRANSIENT),
        (202, "  <HTML lang='en'>", FailureClass.TRANSIENT),
        (302, "", FailureClass.TRANSIENT),
        (404, "<html>nginx</html>", FailureClass.TRANSIENT),
        (404, "no_service", FailureClass.MISCONFIGURED),
        (404, "no_team", FailureClass.MISCONFIGURED),
        (410, "channel_is_archived", FailureClass.MISCONFIGURED),
        (400, "invalid_payload", FailureClass.PERMANENT),
        (400, "something_new", FailureClass.TRANSIENT),
    ],
)
async def test_what_a_webhook_refuses_and_what_only_stands_before_it(
    status: int, body: str, kind: FailureClass
) -> None:
    receiver = SlackReceiver()
    receiver.always = Reply(status, body)
    async with serving(receiver):
        assert (await failure(receiver, stem="slack_webhook")).kind is kind


@pytest.mark.parametrize("body", ["<html>Sign in</html>", "", "ok", "[]", '{"channel": "C1"}'])
async def test_a_2xx_without_slacks_own_word_is_no_success(body: str) -> None:
    receiver = SlackReceiver()
    receiver.always = Reply(200, body)
    async with serving(receiver):
        assert (await failure(receiver)).kind is FailureClass.TRANSIENT


async def test_a_channel_has_its_rate_and_each_its_own() -> None:
    receiver = SlackReceiver(per_second=0.01)
    async with serving(receiver):
        await send(receiver)
        found = await failure(receiver)
        await send(receiver, channel="#other")
        await send(receiver, stem="slack_webhook")
        hook = await failure(receiver, stem="slack_webhook")
    assert (found.kind, found.status, found.retry_after) == (FailureClass.THROTTLED, 429, 100)
    assert (hook.kind, hook.retry_after) == (FailureClass.THROTTLED, 100)
    assert len(receiver.messages) == 3


async def test_neither_proxies_nor_redirects_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, elsewhere = SlackReceiver(), SlackReceiver()
    async with serving(receiver), serving(elsewhere):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, elsewhere.url)
        await send(receiver)
        receiver.always = Reply(307, headers={"Location": f"{elsewhere.url}/api/chat.postMessage"})
        assert (await failure(receiver)).kind is FailureClass.TRANSIENT
    assert elsewhere.received == []


async def test_a_test_says_that_channels_are_not_proved() -> None:
    receiver = SlackReceiver()
    async with serving(receiver):
        token, scope = await checks_of(receiver)
    assert token.ok
    assert scope.ok
    assert "Not proved" in scope.detail
    assert [each.path for each in receiver.received] == ["/api/auth.test"]


@pytest.mark.parametrize("scopes", [(), ("chat:write.public", "channels:read")])
async def test_a_test_misses_the_scope(scopes: tuple[str, ...]) -> None:
    async with serving(SlackReceiver(scopes=scopes)) as receiver:
        assert isinstance(receiver, SlackReceiver)
        token, scope = await checks_of(receiver)
    assert (token.ok, scope.ok, scope.kind) == (True, False, FailureClass.MISCONFIGURED)


async def test_a_test_with_a_bad_token_says_so() -> None:
    async with serving(SlackReceiver(tokens=())) as receiver:
        assert isinstance(receiver, SlackReceiver)
        [token] = await checks_of(receiver)
    assert (token.ok, token.kind) == (False, FailureClass.MISCONFIGURED)
    assert "invalid_auth" in token.detail


async def test_a_test_of_a_webhook_posts_nothing() -> None:
    receiver = SlackReceiver()
    async with serving(receiver):
        [alive] = await checks_of(receiver, "slack_webhook")
        receiver.webhooks = ()
        [dead] = await checks_of(receiver, "slack_webhook")
        receiver.always = Reply(200, "ok")
        [other] = await checks_of(receiver, "slack_webhook")
        said = {"id": "web.incoming_webhook.text.app_error", "message": "No text specified."}
        receiver.always = Reply(400, json.dumps(said))
        [mattermost] = await checks_of(receiver, "slack_webhook")
        receiver.always = Reply(400, "invalid_payload")
        [wrong] = await checks_of(receiver, "slack_webhook")
    assert [alive.ok, dead.ok, other.ok] == [True, False, False]
    assert [mattermost.ok, wrong.ok] == [True, False]
    assert "no_service" in dead.detail
    assert receiver.messages == []


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"botToken": "xoxb-1"}, "defaultChannel"),
        ({"botToken": "xoxp-1", "defaultChannel": "#a"}, "botToken"),
        ({"botToken": "xoxb-1\r\nX: y", "defaultChannel": "#a"}, "botToken"),
        ({"botToken": "xoxb-", "defaultChannel": "#a"}, "botToken"),
        ({"botToken": "xoxb-1", "defaultChannel": "a b"}, "defaultChannel"),
        ({"botToken": "xoxb-1", "defaultChannel": "<!channel>"}, "defaultChannel"),
        ({"botToken": "xoxb-1", "defaultChannel": "#a", "channelMap": {"a*": "#b"}}, "channelMap"),
        ({"botToken": "xoxb-1", "defaultChannel": "#a", "channelMap": {"a": "# b"}}, "channelMap"),
        ({"botToken": "xoxb-1", "defaultChannel": "#a", "baseUrl": "https://a/?x"}, "baseUrl"),
        ({"webhookUrl": HOOK, "defaultChannel": "#a"}, "defaultChannel"),
        ({"webhookUrl": HOOK, "channelMap": {"a": "#b"}}, "channelMap"),
        ({"webhookUrl": "https://slack.com/services/T0/B0/x"}, "webhookUrl"),
        ({"webhookUrl": "https://hooks.slack.com/triggers/T0/1/x"}, "webhookUrl"),
        ({"webhookUrl": "https://HOOKS.slack.com./services/T0/B0"}, "webhookUrl"),
        ({"webhookUrl": "https://[hooks.slack.com/services/T0/B0/x"}, "webhookUrl"),
        ({"webhookUrl": ""}, "webhookUrl"),
        ({"webhookUrl": HOOK, "channel": "#a"}, "channel"),
    ],
)
def test_configs_that_cannot_work_are_refused(config: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as raised:
        SlackConfig.model_validate(config)
    assert {error["loc"][0] for error in raised.value.errors()} == {place}
    assert "xoxb-1" not in str(raised.value)


@pytest.mark.parametrize(
    "ways", [{}, {"botToken": "xoxb-1", "webhookUrl": HOOK, "defaultChannel": "#a"}]
)
def test_there_is_one_way_to_slack(ways: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        SlackConfig.model_validate(ways)
    assert [error["loc"] for error in raised.value.errors()] == [("botToken",), ("webhookUrl",)]


@pytest.mark.parametrize(
    "url", [HOOK, HOOK.replace("slack.com", "slack-gov.com"), "http://127.0.0.1:1/services/x"]
)
def test_webhooks_of_slack_and_of_tests_are_taken(url: str) -> None:
    assert SlackConfig.model_validate({"webhookUrl": url}).urls() == (url,)


def test_govslack_has_its_own_api() -> None:
    config = {"botToken": "xoxb-1", "defaultChannel": "#a"}
    assert SlackConfig.model_validate(config).urls() == ("https://slack.com/api",)
    config["baseUrl"] = "https://slack-gov.com/api"
    assert SlackConfig.model_validate(config).urls() == ("https://slack-gov.com/api",)


@pytest.mark.filterwarnings("ignore:The top-level `text`")
async def test_the_receiver_serves_slacks_own_client() -> None:
    """An independent look at the receiver, by the vendor's client as it comes."""
    receiver = SlackReceiver(channels=("#ops",))
    async with serving(receiver):
        client = AsyncWebClient(EXAMPLE_TOKEN, f"{receiver.url}/api/")
        assert (await client.auth_test())["team"] == "FireLater"
        posted = await client.chat_postMessage(channel="#ops", text="hello")
        together = await asyncio.gather(
            client.chat_postMessage(channel="#none", text="hello"),
            client.chat_postMessage(channel="#ops", text=""),
            client.chat_postMessage(channel="#ops", blocks=[{"type": "divider"}] * 51, text="x"),
            client.chat_postMessage(channel="#ops", text="x", blocks=[{"type": "none"}]),
            client.chat_postMessage(channel="#ops", text="x", attachments=[{}] * 101),
            client.chat_postMessage(channel="#ops", text="x", blocks=[section("y" * 3_000)] * 5),
            client.chat_postMessage(channel="#ops", text="x", blocks=[section("y" * 3_001)]),
            client.chat_postMessage(channel="#ops", text="x", blocks=[fields("y" * 2_001)]),
            return_exceptions=True,
        )
    assert posted["message"]["text"] == "hello"
    assert [each.response["error"] for each in together if isinstance(each, Exception)] == [  # type: ignore[attr-defined]
        "channel_not_found",
        "no_text",
        "invalid_blocks",
        "invalid_blocks",
        "too_many_attachments",
        "msg_blocks_too_long",
        "invalid_blocks",
        "invalid_blocks",
    ]
    assert len(receiver.messages) == 1


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": text}}


def fields(text: str) -> dict[str, Any]:
    return {"type": "section", "fields": [{"type": "plain_text", "text": text}]}
