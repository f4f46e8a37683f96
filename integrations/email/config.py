"""The config of an integration of type e-mail: its server, its login, sender and recipients."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from egress.guard import Refused, parse_host
from integrations.channel import BaseUrl, ChannelConfig, ChannelOptions, field_errors
from integrations.email.address import GreetingName, SavedMailbox
from integrations.oauth import Grant

RECIPIENTS = 50  # at most, that a config or a channel names


def _host(text: str) -> str:
    """The host as the egress guard reads it, which judges its addresses when they are dialled."""
    try:
        return parse_host(text)
    except Refused as refused:
        raise ValueError(refused.detail) from None


def _unbroken(text: str) -> str:
    if not text.isprintable():
        raise ValueError("line breaks and control characters have no place in a header")
    return text


def _several(addresses: Any) -> Any:
    """Accept a single address in place of a list."""
    return [addresses] if isinstance(addresses, str) else addresses


_Several = BeforeValidator(_several, json_schema_input_type=str | list[str])
Word = Annotated[str, AfterValidator(_unbroken)]


class EmailOptions(ChannelOptions):
    """What a notification channel sets beside its integration: who gets its mails.

    `to` replaces the integration's recipients; an empty list means none of them. `user`: whether
    the user that an event is for gets a mail of this channel too, at their own address.
    """

    to: Annotated[tuple[SavedMailbox, ...] | None, _Several] = Field(None, max_length=RECIPIENTS)
    user: bool = True


class EmailConfig(ChannelConfig):
    """A mail server for submission, and the mails' sender and usual recipients.

    `security` "none" sends everything unencrypted: it is for private servers of EGRESS_ALLOW only,
    and refused elsewhere when connecting. `auth` "auto" takes XOAUTH2 if there is a token, else
    PLAIN, or LOGIN if the server does not offer PLAIN. Tokens are asked for at `tokenUrl`, by
    client credentials or with a `refreshToken`; an `accessToken` is for trying out, as it expires.
    """

    destinations: ClassVar[frozenset[str]] = frozenset({"host", "port", "security", "tokenUrl"})

    host: Annotated[str, StringConstraints(min_length=1, max_length=253), AfterValidator(_host)]
    port: int = Field(587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    helo_name: GreetingName | None = None  # else the domain of fromAddress
    username: Word | None = Field(None, min_length=1, max_length=320)
    password: SecretStr | None = Field(None, max_length=1_000)
    access_token: SecretStr | None = Field(None, max_length=8_000)
    auth: Literal["auto", "plain", "login", "xoauth2"] = "auto"
    token_url: BaseUrl | None = Field(None, min_length=1)
    client_id: Word | None = Field(None, min_length=1, max_length=200)
    client_secret: SecretStr | None = Field(None, min_length=1, max_length=1_000)
    refresh_token: SecretStr | None = Field(None, min_length=1, max_length=8_000)
    scope: Word | None = Field(None, min_length=1, max_length=1_000)
    from_address: SavedMailbox
    from_name: Word = Field("FireLater", max_length=100)
    to: Annotated[tuple[SavedMailbox, ...], _Several] = Field((), max_length=RECIPIENTS)
    reply_to: SavedMailbox | None = None

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        ways = (self.password, self.access_token, self.token_url)
        count = sum(way is not None for way in ways)
        if count > 1:
            raise ValueError("only one of password, accessToken and tokenUrl can be the login")
        if (self.username is None) != (count == 0):
            raise ValueError("a login is a username with a password, an accessToken or a tokenUrl")
        if self.auth in ("plain", "login") and count and not self.password:
            raise ValueError(f"{self.auth} needs a password")
        if self.auth == "xoauth2" and not (self.access_token or self.token_url):
            raise ValueError("xoauth2 needs an accessToken or a tokenUrl")
        return self

    @model_validator(mode="after")
    def _grant_is_whole(self) -> Self:
        named = {
            "clientId": self.client_id,
            "clientSecret": self.client_secret,
            "refreshToken": self.refresh_token,
            "scope": self.scope,
        }
        if self.token_url is None:
            if loose := [name for name, value in named.items() if value is not None]:
                raise field_errors(loose, "goes with a tokenUrl, where tokens are asked for")
        elif self.client_id is None:
            raise field_errors(("clientId",), "with a tokenUrl, a client id is needed")
        elif self.refresh_token is None and self.client_secret is None:
            raise field_errors(
                ("clientSecret", "refreshToken"), "with a tokenUrl, one of them is needed"
            )
        elif self.refresh_token is None and self.scope is None:
            why = "client credentials need one (Microsoft: https://outlook.office365.com/.default)"
            raise field_errors(("scope",), why)
        return self

    def urls(self) -> tuple[str, ...]:
        return (self.token_url,) if self.token_url else ()

    def servers(self) -> tuple[tuple[str, int], ...]:
        return ((self.host, self.port),)

    @property
    def greets_as(self) -> str:
        """The name to say EHLO with. A worker has no public name, and servers that check refuse its
        address (smtp-relay.gmail.com: 421)."""
        return self.helo_name or self.from_address.rpartition("@")[2]

    @property
    def uses_tokens(self) -> bool:
        return bool(self.access_token or self.token_url)

    @property
    def secret(self) -> str:
        """The password or the access token; empty if the config has neither, as with `tokenUrl`."""
        held = self.access_token or self.password
        return held.get_secret_value() if held else ""

    @property
    def grant(self) -> Grant | None:
        """What access tokens are asked for with; None without a `tokenUrl`."""
        if self.token_url is None:
            return None
        secret, refresh = (
            held.get_secret_value() if held else ""
            for held in (self.client_secret, self.refresh_token)
        )
        return Grant(self.token_url, self.client_id or "", secret, refresh, self.scope or "")
