"""The config of an integration of type Slack: an app's bot and its channels, or a webhook."""

import re
import unicodedata
from collections.abc import Container, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic.alias_generators import to_camel

from domain.json_document import Json
from domain.notification.event_type import closest
from integrations.channel import (
    BaseUrl,
    ChannelConfig,
    ChannelOptions,
    field_errors,
    matching,
    url_and_host,
)

API = "https://slack.com/api"
_CHANNELS = 200

# A name with or without `#`, or an id (C0123456789); no separators, mentions or other links.
_CHANNEL = re.compile(r"#?[^\s\x00-\x1f\x7f#@<>&,*/:]{1,80}")
# The link that "Copy link" gives of a channel or of a message in it, and a channel's address in a
# browser.
_LINK = re.compile(
    r"https://(?:[\w-]+\.(?:enterprise\.)?slack(?:-gov)?\.com/archives"
    r"|app\.slack(?:-gov)?\.com/client/[A-Z0-9]+)/(?P<id>[CDG][A-Z0-9]{2,20})(?:[/?#]\S*)?",
    re.ASCII,
)
_ID = re.compile(r"(?=.*[0-9])[CDGUW][A-Z0-9]{6,20}")
_PLACE = re.compile(r"[CDG][A-Z0-9]{2,20}")
_EVENTS = re.compile(r"[A-Za-z0-9_.:-]{1,100}(\.\*)?")
_WEBHOOK_PATH = re.compile(r"/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]+")
_WEBHOOK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")


def _channel(text: str) -> str:
    """The channel's name or id as it is given, or the id in a link to the channel."""
    link = _LINK.fullmatch(text)
    if link is not None:
        return link["id"]
    if not _CHANNEL.fullmatch(text):
        raise ValueError(
            "name a channel by its name, as in #ops, by its id, as in C0123456789, or by the link"
            " to it that Slack copies"
        )
    return text


def canonical(channel: str) -> str:
    """The one form of all that people write for one channel: `#ops`, `ops` and `OPS` are `ops`.

    Slack's own names are lower-case, its ids upper-case; an id stays as it is.
    """
    name = unicodedata.normalize("NFC", channel.strip().removeprefix("#"))
    return name if _ID.fullmatch(name) else name.casefold()


def place(answered: str) -> str:
    """The canonical form of the channel id that Slack says it posted to; "" if it is no id."""
    return canonical(answered) if _PLACE.fullmatch(answered) else ""


def _events(text: str) -> str:
    if not _EVENTS.fullmatch(text):
        raise ValueError("name a type of event, as incident.created, or a group, as incident.*")
    return text


def _webhook(secret: SecretStr) -> SecretStr:
    """A URL of Slack's must be one of an incoming webhook; the egress guard judges all others."""
    url, host = url_and_host(secret)
    slacks = re.search(r"(^|\.)slack(-gov)?\.com$", host) is not None
    if slacks and (host not in _WEBHOOK_HOSTS or not _WEBHOOK_PATH.fullmatch(url.path)):
        example = f"https://{_WEBHOOK_HOSTS[0]}/services/T…/B…/…"
        raise ValueError(f"an incoming webhook of Slack is {example}")
    return secret


_BOT_TOKEN = matching(
    r"xoxb-[A-Za-z0-9-]{1,250}", "a bot token is xoxb- and letters, digits and hyphens"
)
_SIGNING_SECRET = matching(
    r"[0-9a-f]{32}", "an app's signing secret has 32 hexadecimal digits, in lower case"
)
ChannelName = Annotated[str, AfterValidator(_channel)]
EventPattern = Annotated[str, AfterValidator(_events)]


class SlackConfig(ChannelConfig):
    """An app's bot, which posts where it is told to; or an incoming webhook, with its one channel.

    `channelMap` gives types of events, or all that begin with `prefix.` (`prefix.*`), a channel of
    their own; `defaultChannel` gets the others. With the app's `signingSecret`, messages have
    buttons that acknowledge and resolve. `baseUrl` replaces the URL of slack.com's Web API,
    as for GovSlack (https://slack-gov.com/api).
    """

    destinations: ClassVar[frozenset[str]] = frozenset({"baseUrl"})

    bot_token: Annotated[SecretStr, _BOT_TOKEN] | None = None
    webhook_url: Annotated[SecretStr, AfterValidator(_webhook)] | None = Field(
        None, min_length=1, max_length=2_048
    )
    default_channel: ChannelName | None = None
    channel_map: dict[EventPattern, ChannelName] = Field({}, max_length=_CHANNELS)
    base_url: BaseUrl = API
    signing_secret: Annotated[SecretStr, _SIGNING_SECRET] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.bot_token is None) == (self.webhook_url is None):
            why = "either a botToken or a webhookUrl is needed, and not both"
            raise field_errors(("botToken", "webhookUrl"), why)
        if self.bot_token and self.default_channel is None:
            raise field_errors(("defaultChannel",), "with a botToken, a default channel is needed")
        of_the_bot = self.model_fields_set & {
            "default_channel",
            "channel_map",
            "base_url",
            "signing_secret",
        }
        given = [to_camel(name) for name in sorted(of_the_bot) if getattr(self, name)]
        if self.webhook_url and given:
            raise field_errors(
                given, "goes with a botToken: an incoming webhook has a channel of its own"
            )
        return self

    def urls(self) -> tuple[str, ...]:
        return (self.webhook_url.get_secret_value() if self.webhook_url else self.base_url,)

    def channel_of(self, event_type: str) -> str:
        """The channel of an event; of several patterns that fit, the longest counts."""
        pattern = closest(self.channel_map, event_type)
        return (self.channel_map[pattern] if pattern else self.default_channel) or ""


class SlackOptions(ChannelOptions):
    """`channel` gets all messages of the notification channel, whatever the event's type."""

    channel: ChannelName | None = None

    def completing(self, config: Mapping[str, Any]) -> Json:
        if self.channel is None or self.idle(config):
            return dict(config)
        return {"defaultChannel": self.channel, **config}

    def idle(self, connection: Container[str]) -> dict[str, str]:
        if self.channel is None or "webhookUrl" not in connection:
            return {}
        return {"channel": "goes with a botToken: an incoming webhook has a channel of its own"}
