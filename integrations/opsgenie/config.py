"""The config of an integration with Opsgenie or Jira Service Management."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator

from domain.json_document import Json
from domain.notification.severity import Severity, SeveritySetting
from domain.redaction import Redactor
from integrations.channel import BaseUrl, ChannelConfig, matching

_BASES = {
    "us": "https://api.opsgenie.com",
    "eu": "https://api.eu.opsgenie.com",
    "jsm": "https://api.atlassian.com/jsm/ops/integration",
}
_KEY = matching(r"[!-~]{1,200}", "an API key has 1 to 200 characters of ASCII, and no spaces")

_SECRET = matching(r"[!-~]{16,200}", "a secret has 16 to 200 characters of ASCII, and no spaces")

Priority = Literal["P1", "P2", "P3", "P4", "P5"]  # P1 is the highest
# P4 stays free for those who want it: the vendor's five steps are more than our four.
_PRIORITIES: dict[Severity, Priority] = {
    Severity.CRITICAL: "P1",
    Severity.ERROR: "P2",
    Severity.WARNING: "P3",
    Severity.INFO: "P5",
}
_Name = Annotated[str, Field(min_length=1, max_length=512)]


class Responder(BaseModel):
    """Whom alerts are routed to, by `id` or by `name`; a user's name is their e-mail address."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True
    )

    type: Literal["team", "user", "escalation", "schedule"]
    id: _Name | None = None
    name: _Name | None = None

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if (self.id is None) == (self.name is None):
            raise ValueError("a responder is named by its id or by its name, and not by both")
        return self

    @property
    def body(self) -> Json:
        if self.id is not None:
            return {"type": self.type, "id": self.id}
        return {"type": self.type, "username" if self.type == "user" else "name": self.name}


class OpsgenieConfig(ChannelConfig):
    """An integration of type "API" in Opsgenie or Jira Service Management (region `jsm`).

    `priorities` replaces the priority of some severities. `responders`, `tags` and `entity` go into
    every alert; an alert's entity is the event's, unless `entity` replaces it. `source` names us.
    `baseUrl` replaces the region's URL, to which `/v2/alerts` is added. `webhookSecret` is what an
    outgoing webhook, which reports what people do to alerts, sends in a header.
    """

    destinations: ClassVar[frozenset[str]] = frozenset({"region", "baseUrl"})
    synonyms: ClassVar[Mapping[str, str]] = {"severity": "defaultSeverity"}

    severity: SeveritySetting = Field(
        Severity.INFO,
        alias="defaultSeverity",  # as PagerDuty's
        validation_alias=AliasChoices("defaultSeverity", "severity"),
    )
    api_key: Annotated[SecretStr, _KEY]
    region: Literal["us", "eu", "jsm"] = "us"
    base_url: BaseUrl | None = None
    priorities: dict[SeveritySetting, Priority] = Field({})
    responders: tuple[Responder, ...] = Field((), max_length=50)
    tags: tuple[Annotated[str, Field(min_length=1, max_length=50)], ...] = Field((), max_length=20)
    entity: str | None = Field(None, min_length=1, max_length=512)
    source: str = Field("FireLater ITSM", min_length=1, max_length=100)
    webhook_secret: Annotated[SecretStr, _SECRET] | None = None

    @property
    def base(self) -> str:
        return (self.base_url or _BASES[self.region]).rstrip("/")

    @property
    def vendor(self) -> str:
        return "Jira Service Management" if self.region == "jsm" else "Opsgenie"

    @property
    def redactor(self) -> Redactor:
        held = {"key": self.api_key, "webhook": self.webhook_secret}
        return Redactor({name: each.get_secret_value() for name, each in held.items() if each})

    def urls(self) -> tuple[str, ...]:
        return (self.base,)

    def priority_of(self, severity: Severity) -> Priority:
        return self.priorities.get(severity, _PRIORITIES[severity])
