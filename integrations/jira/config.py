"""The config of an integration of type Jira: its site, its login, and where issues are made."""

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from domain.json_document import Json
from domain.notification.severity import Severity
from domain.redaction import Redactor
from domain.storable import JsonObject, at_most
from integrations.channel import BaseUrl, ChannelConfig, ChannelOptions, field_errors
from integrations.oauth import Grant

GATEWAY = "https://api.atlassian.com/ex/jira"
TOKEN_URL = "https://auth.atlassian.com/oauth/token"  # noqa: S105, an address
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_LABEL = re.compile(r"[^\s]{1,255}")
_FIELDS_BYTES = 16 * 2**10
_OURS = frozenset({"project", "issuetype", "summary", "description", "labels"})
_PAGES = ("/browse/", "/rest/", "/secure/", "/projects/", "/issues/")

# The fields of each login, as clients write them.
_LOGINS: dict[str, tuple[tuple[str, ...], ...]] = {
    "cloud": (("email", "apiToken"), ("clientId", "clientSecret")),
    "dataCenter": (("personalAccessToken",), ("username", "password")),
}


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise ValueError("a project's key is what its issues begin with, as OPS in OPS-42")
    return text.upper()


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("a label has up to 255 characters and no blanks")
    return text


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("line breaks and control characters have no place here")
    return text


def _site(url: str) -> str:
    """The address with which one site has one name: references to issues are kept with it."""
    if any(page in f"{url}/" for page in _PAGES):
        raise ValueError("this is a page of Jira; the address before it is needed")
    scheme, rest, place = url.partition("://")
    host, slash, path = place.partition("/")
    return f"{scheme.lower()}{rest}{host.lower()}{slash}{path}".rstrip("/")


def _without_ours(fields: Json) -> Json:
    if taken := sorted(_OURS & fields.keys()):
        raise ValueError(f"these fields are filled from the event: {', '.join(taken)}")
    return fields


ProjectKey = Annotated[str, AfterValidator(_key)]
# A name, or an id (digits): Jira translates names into the language of the account.
Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_line)]
Label = Annotated[str, AfterValidator(_label)]
Site = Annotated[BaseUrl, AfterValidator(_site)]
Fields = Annotated[JsonObject, at_most(_FIELDS_BYTES)]
Change = Literal["acknowledge", "resolve", "reopen"]


class JiraOptions(ChannelOptions):
    """The project and the type of the issues that a notification channel makes, if they are others
    than the integration's."""

    project_key: ProjectKey | None = None
    issue_type: Name | None = None


class JiraConfig(ChannelConfig):
    """A Jira site, and the issues that are made there.

    Cloud takes an `email` with an `apiToken`, or a service account's `clientId` with its
    `clientSecret`. A token with scopes and a service account need the `cloudId`: they are called
    through `gatewayUrl`. Data Center takes a `personalAccessToken`, or `username` and `password`.

    `priorities` by severity, `labels` and `fields` go into new issues. `statuses` name the statuses
    that issues get; otherwise the first transition into the right category is taken. `resolution`
    and `transitionFields` fill the screen of a transition. `webhookSecret` is that of a webhook
    which reports what people do to the issues.
    """

    destinations: ClassVar[frozenset[str]] = frozenset(
        {"deployment", "baseUrl", "cloudId", "gatewayUrl", "tokenUrl"}
    )

    deployment: Literal["cloud", "dataCenter"] = "cloud"
    base_url: Site
    cloud_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None
    gateway_url: Site = GATEWAY
    email: Name | None = None
    api_token: SecretStr | None = Field(None, min_length=1, max_length=2_000)
    client_id: Name | None = None
    client_secret: SecretStr | None = Field(None, min_length=1, max_length=2_000)
    token_url: BaseUrl = TOKEN_URL
    personal_access_token: SecretStr | None = Field(None, min_length=1, max_length=2_000)
    username: Name | None = None
    password: SecretStr | None = Field(None, min_length=1, max_length=1_000)
    project_key: ProjectKey
    issue_type: Name = "Task"
    priorities: dict[Severity, Name] = Field({}, max_length=4)
    labels: tuple[Label, ...] = Field((), max_length=20)
    fields: Annotated[Fields, AfterValidator(_without_ours)] = Field({})
    statuses: dict[Change, Name] = Field({}, max_length=3)
    resolution: Name | None = None
    transition_fields: Fields = Field({})
    webhook_secret: SecretStr | None = Field(None, min_length=1, max_length=1_000)

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        logins = _LOGINS[self.deployment]
        given = {name for ways in _LOGINS.values() for way in ways for name in way}
        given = {name for name in given if self._holds(name)}
        if given not in [set(way) for way in logins]:
            ways = " or ".join(" with ".join(way) for way in logins)
            known = {name for way in logins for name in way}
            wrong = sorted(given - known) or sorted(known)
            raise field_errors(wrong, f"{self.deployment} takes one login: {ways}")
        return self

    @model_validator(mode="after")
    def _place_is_whole(self) -> Self:
        path = self.base_url.partition("://")[2].partition("/")[2]
        if self.deployment == "cloud" and path:
            raise field_errors(("baseUrl",), "a site of Jira Cloud is https://NAME.atlassian.net")
        if self.deployment == "dataCenter" and self.cloud_id:
            raise field_errors(("cloudId",), "only sites of Jira Cloud have a cloud id")
        if self.client_id and not self.cloud_id:
            why = "needed with a clientId: it is at https://NAME.atlassian.net/_edge/tenant_info"
            raise field_errors(("cloudId",), why)
        return self

    def _holds(self, name: str) -> bool:
        fields = {to_camel(field): field for field in type(self).model_fields}
        return getattr(self, fields[name]) is not None

    def urls(self) -> tuple[str, ...]:
        gateway = (self.gateway_url,) if self.cloud_id else ()
        return (self.base_url, *gateway, *((self.token_url,) if self.client_id else ()))

    @property
    def site(self) -> str:
        """The address that is called; a reference to an issue counts at this address only."""
        return f"{self.gateway_url}/{self.cloud_id}" if self.cloud_id else self.base_url

    @property
    def is_cloud(self) -> bool:
        return self.deployment == "cloud"

    @property
    def api(self) -> str:
        return f"{self.site}/rest/api/{3 if self.is_cloud else 2}"

    @property
    def grant(self) -> Grant | None:
        """What access tokens are asked for with; None where there is a fixed login."""
        if self.client_id is None or self.client_secret is None:
            return None
        return Grant(self.token_url, self.client_id, self.client_secret.get_secret_value())

    @property
    def redactor(self) -> Redactor:
        held = {
            "api_token": self.api_token,
            "client_secret": self.client_secret,
            "personal_access_token": self.personal_access_token,
            "password": self.password,
            "webhook": self.webhook_secret,
        }
        return Redactor({name: each.get_secret_value() for name, each in held.items() if each})
