"""The config of an integration of type ServiceNow: its instance, its login, what incidents hold."""

import re
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from domain.redaction import Redactor
from integrations.channel import ChannelConfig, ChannelOptions, field_errors, matching
from integrations.oauth import Grant

FIELDS = 20  # at most, that a config adds to a record
_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,63}")
# What the life of a record depends on, or the event itself says.
_OURS = re.compile(
    r"sys_.*|number|state|incident_state|short_description|description|work_notes"
    r"|correlation_(id|display)"
)


def _instance(url: str) -> str:
    """The instance's address alone and in one form, as references are compared by it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("not a URL") from None
    if not parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("name the instance alone, as in https://acme.service-now.com")
    return f"{parts.scheme}://{parts.netloc.lower()}".removesuffix(
        ":443" if parts.scheme == "https" else ":80"
    )


def _like(form: str, why: str) -> AfterValidator:
    """Requires a text to match a regular expression; the error says `why`."""
    whole = re.compile(form)

    def check(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(why)
        return text

    return AfterValidator(check)


def _column(name: str) -> str:
    if not _COLUMN.fullmatch(name):
        raise ValueError("name a field as the table does, as in u_service")
    if _OURS.fullmatch(name):
        raise ValueError("this field is set by the event itself")
    return name


def _text(state: Any) -> Any:
    """Accept a state as a number."""
    return str(state) if isinstance(state, int) and not isinstance(state, bool) else state


SysId = Annotated[
    str,
    _like(
        "[A-Za-z0-9]{32}",
        "a sys_id is needed, with its 32 characters: open the record in ServiceNow, and choose"
        " Copy sys_id in the menu of its header",
    ),
]
State = Annotated[
    str,
    BeforeValidator(_text, json_schema_input_type=int | str),
    _like("-?[0-9]{1,5}", "a state is a number, as the list of choices of `state` has it"),
]
_Table = Annotated[str, _like("[a-z][a-z0-9_]{0,79}", "name a table by its name, as in incident")]
_Username = Annotated[
    str, _like("[^:]{1,200}", "a username has up to 200 characters, and no colon")
]
Value = Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Fields = Annotated[dict[Annotated[str, AfterValidator(_column)], Value], Field(max_length=FIELDS)]
_KEY = matching(r"[!-~]{1,500}", "an API key is visible ASCII, without spaces")


class States(BaseModel):
    """The values of `state` that events lead to or are compared with; the defaults are those of the
    table incident. `closed` are the ones that nothing leads out of."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )

    new: State = "1"
    acknowledge: State = "2"
    resolve: State = "6"
    reopen: State = "2"
    closed: tuple[State, ...] = Field(("7", "8"), max_length=10)


class ServiceNowOptions(ChannelOptions):
    """`assignmentGroup` gets the notification channel's incidents, instead of the integration's."""

    assignment_group: SysId | None = None


class ServiceNowConfig(ChannelConfig):
    """An instance, a user's login, and what new records hold beside the event.

    The login is a username with its password, or an OAuth client (client credentials, or a
    `refreshToken`), or an API key. `fields` are set when a record is made, `resolveFields` when it
    is resolved, for data policies that ask for more.
    """

    destinations: ClassVar[frozenset[str]] = frozenset({"instanceUrl"})

    instance_url: Annotated[str, AfterValidator(_instance), Field(min_length=1, max_length=300)]
    username: _Username | None = None
    password: SecretStr | None = Field(None, min_length=1, max_length=1_000)
    client_id: str | None = Field(None, min_length=1, max_length=200)
    client_secret: SecretStr | None = Field(None, min_length=1, max_length=1_000)
    refresh_token: SecretStr | None = Field(None, min_length=1, max_length=8_000)
    scope: str | None = Field(None, min_length=1, max_length=1_000)
    api_key: Annotated[SecretStr, _KEY] | None = None
    table: _Table = "incident"
    assignment_group: SysId | None = None
    caller_id: SysId | None = None
    category: Word | None = None
    subcategory: Word | None = None
    contact_type: Word | None = None
    close_code: Word | None = "Solution provided"
    close_notes: Value | None = None
    states: States = States()
    fields: Fields = Field({})
    resolve_fields: Fields = Field({})

    @model_validator(mode="after")
    def _one_login(self) -> Self:
        of_oauth = (self.client_id, self.client_secret, self.refresh_token, self.scope)
        ways = {
            "username": self.username or self.password,
            "clientId": any(of_oauth),
            "apiKey": self.api_key,
        }
        given = [name for name, way in ways.items() if way]
        if len(given) != 1:
            why = (
                "exactly one login is needed: username with password, or clientId with"
                " clientSecret, or apiKey"
            )
            raise field_errors(given or ways, why)
        pairs = {"username": ("username", "password"), "clientId": ("clientId", "clientSecret")}
        held = {"username": self.username, "password": self.password}
        held |= {"clientId": self.client_id, "clientSecret": self.client_secret}
        missing = [name for name in pairs.get(given[0], ()) if not held[name]]
        if missing:
            raise field_errors(missing, f"{' and '.join(pairs[given[0]])} go together")
        return self

    def urls(self) -> tuple[str, ...]:
        return (self.instance_url,)

    @property
    def grant(self) -> Grant | None:
        """What access tokens are asked for with; None for the other logins."""
        if self.client_id is None:
            return None
        secret, refresh = (
            held.get_secret_value() if held else ""
            for held in (self.client_secret, self.refresh_token)
        )
        url = f"{self.instance_url}/oauth_token.do"
        return Grant(url, self.client_id, secret, refresh, self.scope or "")

    def redactor(self, token: str = "") -> Redactor:
        """Removes the secrets and the access token from what the instance says."""
        held = (self.password, self.client_secret, self.refresh_token, self.api_key)
        secrets = [secret.get_secret_value() for secret in held if secret]
        return Redactor({"all": [*secrets, *([token] if token else [])]})
