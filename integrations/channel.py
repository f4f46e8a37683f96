"""The interface of a type of integration: its config, its way to send, one class per failure."""

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

from domain.integration.outcome import Check, Receipt
from domain.integration.rate import Rate
from domain.integration.retry_schedule import Schedule
from domain.json_document import Json
from domain.notification.alert import NOTHING_KNOWN
from domain.notification.alert import Existing as Existing  # channels import it from here
from domain.notification.message import Message
from domain.notification.severity import Severity, SeveritySetting
from egress.client import Egress
from integrations.inbound import Inbound


class RateLimit(BaseModel):
    """At most `count` sends to one destination in `seconds`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(ge=1, le=100_000)
    seconds: float = Field(gt=0, le=3_600)


class ChannelConfig(BaseModel):
    """The config of one type of integration, as clients send it and the JSON schema shows it.

    Fields of type SecretStr (or a mapping to it) are secrets: they are kept apart, encrypted,
    and never come back. `destinations` names the fields (as clients write them) that decide where
    secrets are sent: changing one asks for the secrets again.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )
    destinations: ClassVar[frozenset[str]] = frozenset()
    synonyms: ClassVar[Mapping[str, str]] = {}  # other names of fields, and their usual ones

    severity: SeveritySetting = Severity.INFO  # of events that name none
    rate_limit: RateLimit | None = None  # instead of the vendor's
    max_in_flight: int = Field(8, ge=1, le=100)  # sends at the same time, in one worker

    def urls(self) -> Sequence[str]:
        """Every URL it would call: checked by the egress guard when it is saved."""
        return ()

    def servers(self) -> Sequence[tuple[str, int]]:
        """Host and port of every server that it would call without a URL: checked likewise."""
        return ()


class ChannelOptions(BaseModel):
    """What a notification channel sets beside its integration: where exactly, and to whom.

    Most types have no options. They hold no secrets, and are shown to all who may read the channel.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    def completing(self, config: Mapping[str, Any]) -> Json:
        """The config that a channel has of its own, completed with what the options imply."""
        return dict(config)

    def idle(self, connection: Container[str]) -> dict[str, str]:
        """The options without effect on an integration whose config has these members, and why."""
        return {}


def _base(url: str) -> str:
    if "?" in url or "#" in url:
        raise ValueError("a base URL has no query and no fragment")
    return url


def field_errors(names: Iterable[str], why: str) -> ValidationError:
    """The error, to be raised, of fields (as clients write them) that do not go together."""
    fault = PydanticCustomError("value_error", "{why}", {"why": why})
    return ValidationError.from_exception_data(
        "config", [InitErrorDetails(type=fault, loc=(name,), input=None) for name in names]
    )


def matching(form: str, why: str) -> AfterValidator:
    """Requires a secret to match a regular expression; the error says `why`, not the secret."""
    whole = re.compile(form)

    def check(secret: SecretStr) -> SecretStr:
        if not whole.fullmatch(secret.get_secret_value()):
            raise ValueError(why)
        return secret

    return AfterValidator(check)


def url_and_host(secret: SecretStr) -> tuple[SplitResult, str]:
    """A secret URL's parts, and its host without the dot that may end it. Raises ValueError."""
    try:
        url = urlsplit(secret.get_secret_value())
        return url, (url.hostname or "").rstrip(".")
    except ValueError:
        raise ValueError("not a URL") from None


# The context of validating a config that is written now: stricter than for one that was saved
# before a rule existed, as that one has to go on working.
SAVING = {"saving": True}

BaseUrl = Annotated[str, AfterValidator(_base), Field(max_length=2_048)]  # of a vendor's API
Config = TypeVar("Config", bound=ChannelConfig)


@dataclass(frozen=True, slots=True)
class Outgoing(Generic[Config]):
    """A message to send, the integration's config, and the notification channel's options.

    `options` is an instance of the type's model `Channel.options`, and may say where to post.
    `recipient` is the one of `Channel.recipients` that this delivery is for. `place` names the
    destination, by the vendor's own name if that is known. `existing` is filled in for types with
    `Limits.tracked`.
    """

    message: Message
    config: Config
    options: Any
    recipient: str = ""
    place: str = ""
    existing: Existing = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Limits:
    """How a type may send: its schedule of retries, its rate per destination (None: no limit).

    `idempotent`: the vendor recognises a delivery that comes twice, so many may be in flight. Else
    one is sent at a time per destination, and committed before and after. `stateful`: the vendor
    shows the state of an `alert_key`, so a waiting event that a later one replaces is not sent at
    all. `slow`: one send may take many minutes, as with mail servers. `tracked`: later deliveries
    of an alert change what an earlier one made, which only `Receipt.reference` names.
    `linked`: messages have links by which people act, as the vendor has no buttons of ours.
    """

    schedule: Schedule
    idempotent: bool
    rate: Rate | None = None
    stateful: bool = False
    slow: bool = False
    tracked: bool = False
    linked: bool = False


@dataclass(frozen=True, slots=True)
class Signing:
    """How a type of integration signs what it sends, with a secret that is made here.

    `member` is the config's member that holds the secret. `completed` gives a config a secret if it
    has none; `rotated` gives it another, and from the given time on the previous one also signs for
    a while. Configs are as clients write them, with the secrets in clear.
    """

    member: str
    completed: Callable[[Mapping[str, Any]], Json]
    rotated: Callable[[Mapping[str, Any], datetime], Json]


class Channel(Protocol[Config]):
    """A type of integration: how messages reach one vendor. Many calls may run at once."""

    kind: str
    title: str  # for people, as the platform lists it
    description: str
    config: type[Config]
    limits: Limits

    @property
    def options(self) -> type[ChannelOptions]:
        """The model of the options that its notification channels may set."""
        ...

    @property
    def signing(self) -> Signing | None:
        """How its signing secrets are made; None where it has no signing secret of ours."""
        ...

    @property
    def inbound(self) -> Inbound[Config] | None:
        """How the vendor's calls to us are read; None where it makes none."""
        ...

    def destination(self, outgoing: Outgoing[Config]) -> str:
        """Which of the integration's destinations the message goes to; each has its own rate limit.

        One destination has one name, whatever people call it (`#ops`, `ops`). The name holds no
        secret, has at most 200 characters, and is "" where an integration has one destination only.
        """
        ...

    def recipients(self, outgoing: Outgoing[Config]) -> tuple[str, ...]:
        """Who gets the message, each by a delivery of their own; `("",)` if nobody is addressed."""
        ...

    def request(self, outgoing: Outgoing[Config]) -> Json:
        """The message in the vendor's form, as JSON without secrets, which is recorded. Pure."""
        ...

    async def deliver(self, outgoing: Outgoing[Config], request: Json, egress: Egress) -> Receipt:
        """Send `request`, once. Raises DeliveryFailed with the class of what went wrong."""
        ...

    async def test(self, config: Config, egress: Egress) -> list[Check]:
        """Prove what can be proved without bothering anyone; say what stays unproven."""
        ...


def names_of(model: type[BaseModel]) -> frozenset[str]:
    """The names of a model's fields, as clients write them."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def secret_names(config: type[ChannelConfig]) -> frozenset[str]:
    """The names, as clients write them, of the fields that hold secrets."""
    return frozenset(
        field.alias or name
        for name, field in config.model_fields.items()
        if _holds_secret(field.annotation)
    )


def _holds_secret(annotation: Any) -> bool:
    inside = getattr(annotation, "__args__", ())
    return annotation is SecretStr or any(_holds_secret(each) for each in inside)
