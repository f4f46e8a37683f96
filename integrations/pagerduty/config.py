"""The config of an integration of type PagerDuty: a service's key, and where PagerDuty is."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, Field, SecretStr

from domain.notification.severity import Severity, SeveritySetting
from domain.redaction import Redactor
from integrations.channel import BaseUrl, ChannelConfig, matching

_HOSTS = {"us": "pagerduty.com", "eu": "eu.pagerduty.com"}
_KEY = matching(r"[A-Za-z0-9]{32}", "an integration key has 32 letters and digits")
_TOKEN = matching(r"[!-~]{1,200}", "an API key has 1 to 200 characters of ASCII, and no spaces")


class PagerDutyConfig(ChannelConfig):
    """A service's integration of type "Events API v2"; `source` names us in its alerts.

    In alerts, `component` replaces the entity's type, `group` and `class` the event's type.
    `restApiKey` is used by `test` only. `webhookSecret` is that of a webhook (v3) which reports
    what people do in PagerDuty. `baseUrl` and `restBaseUrl` replace the region's hosts.
    """

    destinations: ClassVar[frozenset[str]] = frozenset({"region", "baseUrl", "restBaseUrl"})
    synonyms: ClassVar[Mapping[str, str]] = {"severity": "defaultSeverity"}

    severity: SeveritySetting = Field(
        Severity.INFO,
        alias="defaultSeverity",  # the platform's name; configs saved before have `severity`
        validation_alias=AliasChoices("defaultSeverity", "severity"),
    )
    integration_key: Annotated[SecretStr, _KEY]
    rest_api_key: Annotated[SecretStr, _TOKEN] | None = None
    webhook_secret: Annotated[SecretStr, _TOKEN] | None = None
    region: Literal["us", "eu"] = "us"
    base_url: BaseUrl | None = None
    rest_base_url: BaseUrl | None = None
    source: str = Field("FireLater ITSM", min_length=1, max_length=255)
    component: str | None = Field(None, min_length=1, max_length=255)
    group: str | None = Field(None, min_length=1, max_length=255)
    class_: str | None = Field(None, min_length=1, max_length=255, alias="class")

    @property
    def events_url(self) -> str:
        base = self.base_url or f"https://events.{_HOSTS[self.region]}"
        return f"{base.rstrip('/')}/v2/enqueue"

    @property
    def abilities_url(self) -> str:
        base = self.rest_base_url or f"https://api.{_HOSTS[self.region]}"
        return f"{base.rstrip('/')}/abilities"

    @property
    def redactor(self) -> Redactor:
        secrets = {
            "events": self.integration_key,
            "rest": self.rest_api_key,
            "webhook": self.webhook_secret,
        }
        return Redactor({name: key.get_secret_value() for name, key in secrets.items() if key})

    def urls(self) -> tuple[str, ...]:
        return (self.base_url or self.events_url, self.rest_base_url or self.abilities_url)
