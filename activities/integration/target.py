"""An integration that is ready to send: its channel, and its config with decrypted secrets."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.integration.rate import Rate
from domain.integration.retry_schedule import PROMPT
from domain.integration.stored import SealedIntegration
from domain.json_document import Json
from domain.redaction import Redactor
from domain.tenant import TenantId
from egress.client import Egress
from integrations import CHANNELS
from integrations.channel import Channel, ChannelConfig, ChannelOptions, Limits, Outgoing
from integrations.options import read
from storage.secrets.vault import CannotOpen, Vault

_KEPT = 2_000  # opened integrations


@dataclass(frozen=True, slots=True)
class Target:
    """An opened integration. `redactor` removes its secrets from texts that are stored."""

    tenant_id: TenantId
    integration_id: UUID
    channel: Channel[Any]
    config: ChannelConfig
    redactor: Redactor

    def options(self, kept: Mapping[str, Any]) -> ChannelOptions:
        """The options in a notification channel's stored config. Raises DeliveryFailed that names
        what is wrong with them."""
        found, fault = read(self.channel, kept)
        if fault is not None:
            detail = f"the notification channel's config is not valid: {fault}"
            raise DeliveryFailed(Failure(FailureClass.MISCONFIGURED, detail))
        return found

    @property
    def rate(self) -> Rate | None:
        """How fast one destination may be sent to: the tenant's own rate, else the vendor's; None
        if there is no limit."""
        own = self.config.rate_limit
        return self.channel.limits.rate if own is None else Rate(own.count, own.seconds)

    @property
    def interval(self) -> float | None:
        """Seconds between two sends to one destination; None if there is no limit."""
        return None if self.rate is None else self.rate.interval

    @property
    def rest(self) -> float:
        """Seconds for which nothing is sent to a destination after an answer, since the vendor may
        count its rate from then. 0 where many sends are in flight: their slots keep the rate."""
        return 0.0 if self.rate is None or self.channel.limits.idempotent else self.rate.exact


class Targets:
    """Opens integrations, and caches the usable ones by id and version. One that is not usable is
    opened anew each time: its key may be back on the key ring, which changes no version."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._opened: OrderedDict[tuple[UUID, int], Target] = OrderedDict()

    def of(self, tenant_id: TenantId, row: SealedIntegration) -> Target:
        """The opened integration, from the cache if this version was opened before."""
        key = (row["id"], row["version"])
        if key in self._opened:
            return self._opened[key]
        target = self._open(tenant_id, row)
        if not isinstance(target.channel, Unusable):
            self._opened[key] = target
            if len(self._opened) > _KEPT:
                self._opened.popitem(last=False)
        return target

    def _open(self, tenant_id: TenantId, row: SealedIntegration) -> Target:
        channel: Channel[Any] | None = CHANNELS.get(row["type"])
        if channel is None:
            detail = f"there is no integration type {row['type']!r}"
            return self._unusable(tenant_id, row, detail)
        try:
            secrets = self._vault.open(tenant_id, row["id"], row["credentials"])
            config = channel.config.model_validate({**row["config"], **secrets})
        except CannotOpen as error:
            detail = f"the integration's secrets cannot be decrypted: {error}"
            return self._unusable(tenant_id, row, detail)
        except ValidationError as error:
            members = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
            detail = f"the integration's config is no longer valid: {members}"
            return self._unusable(tenant_id, row, detail)
        return Target(tenant_id, row["id"], channel, config, Redactor(secrets))

    def _unusable(self, tenant_id: TenantId, row: SealedIntegration, detail: str) -> Target:
        channel = Unusable(detail)
        return Target(tenant_id, row["id"], channel, ChannelConfig(), Redactor({}))


class Unusable:
    """The channel of an integration that cannot be used: every delivery fails as `misconfigured`,
    and so waits until somebody corrects the integration."""

    kind = "unusable"
    title = "Unusable"
    description = "Cannot be used"
    config = ChannelConfig
    options = ChannelOptions
    signing = None
    inbound = None
    limits = Limits(schedule=PROMPT, idempotent=True)

    def __init__(self, detail: str) -> None:
        self._failure = Failure(FailureClass.MISCONFIGURED, detail)

    def destination(self, outgoing: Outgoing[ChannelConfig]) -> str:
        return ""

    def recipients(self, outgoing: Outgoing[ChannelConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[ChannelConfig]) -> Json:
        return {}

    async def deliver(
        self, outgoing: Outgoing[ChannelConfig], request: Json, egress: Egress
    ) -> Receipt:
        raise DeliveryFailed(self._failure)

    async def test(self, config: ChannelConfig, egress: Egress) -> list[Check]:
        return [Check("configuration", False, self._failure.detail, self._failure.kind)]
