"""An integration made ready to send through: its channel, its config with the secrets opened."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.integration.pace import PROMPT, Rate
from domain.integration.stored import SealedIntegration
from domain.json_document import Json
from domain.redaction import Redactor
from domain.tenant import TenantId
from egress.client import Egress
from integrations import CHANNELS
from integrations.channel import Channel, ChannelConfig, ChannelOptions, Limits, Outgoing
from integrations.options import read
from storage.secrets.vault import CannotOpen, Vault

_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class Target:
    """`redactor` removes this integration's secrets from whatever is kept."""

    tenant_id: TenantId
    integration_id: UUID
    channel: Channel[Any]
    config: ChannelConfig
    redactor: Redactor

    def options(self, kept: Mapping[str, Any]) -> ChannelOptions:
        """A notification channel's. Raises DeliveryFailed that names what is wrong with them."""
        found, fault = read(self.channel, kept)
        if fault is not None:
            detail = f"the notification channel's config is not valid: {fault}"
            raise DeliveryFailed(Failure(FailureClass.MISCONFIGURED, detail))
        return found

    @property
    def rate(self) -> Rate | None:
        """How fast one destination may be sent to: the tenant's own rate, else the vendor's."""
        own = self.config.rate_limit
        return self.channel.limits.rate if own is None else Rate(own.count, own.seconds)

    @property
    def interval(self) -> float | None:
        """Seconds between two sends to one destination."""
        return None if self.rate is None else self.rate.interval

    @property
    def rest(self) -> float:
        """Seconds for which a destination is left alone after an answer: the vendor may count from
        when it gave it, however long that took. Where many are in flight, their slots must do."""
        return 0.0 if self.rate is None or self.channel.limits.idempotent else self.rate.exact


class Targets:
    """Opens integrations and remembers the opened ones by their version."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._opened: OrderedDict[tuple[UUID, int], Target] = OrderedDict()

    def of(self, tenant_id: TenantId, row: SealedIntegration) -> Target:
        """The integration opened, or as it was opened before."""
        key = (row["id"], row["version"])
        if key not in self._opened:
            self._opened[key] = self._open(tenant_id, row)
            if len(self._opened) > _KEPT:
                self._opened.popitem(last=False)
        return self._opened[key]

    def _open(self, tenant_id: TenantId, row: SealedIntegration) -> Target:
        channel: Channel[Any] | None = CHANNELS.get(row["type"])
        if channel is None:
            return self._unusable(tenant_id, row, f"no channel is called {row['type']!r}")
        try:
            secrets = self._vault.open(tenant_id, row["id"], row["credentials"])
            config = channel.config.model_validate({**row["config"], **secrets})
        except CannotOpen as error:
            return self._unusable(tenant_id, row, f"its secrets cannot be opened: {error}")
        except ValidationError as error:
            places = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
            return self._unusable(tenant_id, row, f"its config is not valid any more: {places}")
        return Target(tenant_id, row["id"], channel, config, Redactor(secrets))

    def _unusable(self, tenant_id: TenantId, row: SealedIntegration, detail: str) -> Target:
        channel = Unusable(detail)
        return Target(tenant_id, row["id"], channel, ChannelConfig(), Redactor({}))


class Unusable:
    """Stands in for the channel of an integration that cannot be used: every delivery waits, as
    `misconfigured`, for somebody to mend it."""

    kind = "unusable"
    title = "Unusable"
    description = "Cannot be used"
    config = ChannelConfig
    options = ChannelOptions
    signing = None
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
