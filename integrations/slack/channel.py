"""Slack: messages of an app's bot (Web API, chat.postMessage), or through an incoming webhook.

Source: docs.slack.dev, "Using the Slack Web API", "Sending messages using incoming webhooks" and
"Rate limits": about one message a second to each channel. Slack documents nothing that makes a
message that is sent twice appear once; `client_msg_id` is set all the same.
"""

import re
from typing import TYPE_CHECKING, Any

from domain.integration.outcome import Check, DeliveryFailed, FailureClass, Receipt
from domain.integration.rate import Rate
from domain.integration.retry_schedule import PROMPT
from domain.json_document import Json
from domain.redaction import Redactor
from egress.client import Egress, Reply
from integrations.channel import Limits, Outgoing
from integrations.reply import body_for_record, error_code, is_page, json_object, refusal
from integrations.slack.blocks import content
from integrations.slack.config import SlackConfig, SlackOptions, canonical, place
from integrations.slack.errors import KINDS, advice_on, kind_of
from integrations.slack.follow_up import buttons_of, follow_up, posted_message
from integrations.slack.inbound import SlackInbound
from integrations.text import compact, one_line

if TYPE_CHECKING:
    from integrations.slack.client import Client

_SCOPE = "chat:write"
_SCOPE_PROVED = (
    "the token has it. Not proved: that the app may post in {channel}, or in any other channel,"
    " which only a message can show"
)
_WEBHOOK_PROVED = (
    "Slack refused an empty message as one without text (400 no_text): the webhook is alive, and"
    " nothing was posted. Not proved: that its channel still takes messages"
)
_NO_TEXT = re.compile(r"^no_text$|No text specified")  # Slack's answer; Mattermost's, in JSON


class Slack:
    """Posts as a bot, to the channel that `options` name, else to that of the event's type; or
    through an incoming webhook, to its one channel."""

    kind = "slack"
    title = "Slack"
    description = "Send notifications to Slack channels"
    config = SlackConfig
    options = SlackOptions
    signing = None
    inbound = SlackInbound()
    limits = Limits(PROMPT, idempotent=False, rate=Rate(1, 1.0), tracked=True)

    def destination(self, outgoing: Outgoing[SlackConfig]) -> str:
        """The channel; "" for a webhook, which has one only."""
        return canonical(_channel(outgoing)) if outgoing.config.bot_token else ""

    def recipients(self, outgoing: Outgoing[SlackConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[SlackConfig]) -> Json:
        if outgoing.config.bot_token is None:
            return content(outgoing.message)
        posted = posted_message(outgoing)
        return follow_up(outgoing, posted) if posted else _first(outgoing)

    async def deliver(
        self, outgoing: Outgoing[SlackConfig], request: Json, egress: Egress
    ) -> Receipt:
        if outgoing.config.bot_token is None:
            reply = await _post(outgoing.config, request, egress)
            _check_posted(reply)
            return Receipt(True, reply.status, response=body_for_record(reply))
        client = _client(outgoing.config, egress)
        if "reply" in request:
            reference = await client.follow_up(request)
        if "reply" not in request or reference is None:  # somebody deleted the entity's message
            reference = await client.post(_first(outgoing))
        where = place(reference["channel"])
        return Receipt(True, 200, reference, body_for_record(client.reply), where)

    async def test(self, config: SlackConfig, egress: Egress) -> list[Check]:
        if config.bot_token is None:
            return [await _check_webhook(config, egress)]
        return await _check_token(config, egress)


def _first(outgoing: Outgoing[SlackConfig]) -> Json:
    """The request of a message of its own."""
    id = outgoing.message.delivery_id
    said = content(outgoing.message, buttons=buttons_of(outgoing, outgoing.message.action))
    return {"channel": _channel(outgoing), "client_msg_id": id, **said}


def _channel(outgoing: Outgoing[SlackConfig]) -> str:
    """The Slack channel, as people write it."""
    options: SlackOptions = outgoing.options
    return options.channel or outgoing.config.channel_of(outgoing.message.event_type)


def _client(config: SlackConfig, egress: Egress) -> "Client":
    from integrations.slack.client import Client  # heavy, and the API only needs the config

    return Client(_token(config), config.base_url, egress)


def _token(config: SlackConfig) -> str:
    return config.bot_token.get_secret_value() if config.bot_token else ""


async def _check_token(config: SlackConfig, egress: Egress) -> list[Check]:
    client = _client(config, egress)
    try:
        said = await client.auth_test()
    except DeliveryFailed as error:
        return [Check.failed("bot token", error)]
    return [
        Check("bot token", True, f"auth.test takes it{_whose(config, said, client.reply)}"),
        _check_scope(config, client.reply),
    ]


def _whose(config: SlackConfig, said: Any, reply: Reply) -> str:
    """The bot and its workspace, in Slack's words."""
    names = said.get("user"), said.get("team")
    if reply.private or not all(isinstance(name, str) for name in names):
        return ""
    told = ": {} in {}".format(*(one_line(name)[:100] for name in names))
    return Redactor({"token": _token(config)}).text(told)


def _check_scope(config: SlackConfig, reply: Reply) -> Check:
    name = f"scope {_SCOPE}"
    granted = {scope.strip() for scope in reply.headers.get("x-oauth-scopes", "").split(",")}
    if _SCOPE in granted:
        return Check(name, True, _SCOPE_PROVED.format(channel=config.default_channel))
    detail = "the token does not have it: give it to the app, and install the app again"
    return Check(name, False, detail, FailureClass.MISCONFIGURED)


async def _check_webhook(config: SlackConfig, egress: Egress) -> Check:
    """An empty message is refused, and not posted."""
    name = "incoming webhook"
    try:
        reply = await _post(config, {"text": ""}, egress)
        if reply.status == 400 and _NO_TEXT.search(_words(reply)):
            return Check(name, True, _WEBHOOK_PROVED)
        _check_posted(reply)
    except DeliveryFailed as error:
        return Check.failed(name, error)
    return Check(name, False, "an empty message was taken, which Slack's own webhooks refuse")


async def _post(config: SlackConfig, request: Json, egress: Egress) -> Reply:
    url = config.webhook_url.get_secret_value() if config.webhook_url else ""
    headers = {"content-type": "application/json"}
    return await egress.send("POST", url, headers, compact(request))


def _check_posted(reply: Reply) -> None:
    """Raises DeliveryFailed unless the webhook has taken the message.

    Slack's webhooks answer in plain text: `ok`, or an error's code. Those of other products that
    take Slack's messages (Mattermost, Rocket.Chat) answer any 2xx, and perhaps JSON.
    """
    said, words = json_object(reply), _words(reply)
    why = error_code(said.get("error")) if said else error_code(words)
    denied = said.get("ok", said.get("success", True)) is False or bool(said.get("error"))
    if not 200 <= reply.status < 300 or denied or why in KINDS or is_page(reply):
        detail = f"Slack answered {reply.status}{f': {advice_on(why)}' if why else ''}"
        raise refusal(reply, detail, kind_of(why, reply.status))


def _words(reply: Reply) -> str:
    return reply.body.decode("utf-8", "replace").strip()
