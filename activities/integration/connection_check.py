"""Tests an integration's connection, and records whether it works or who has to act."""

import asyncio
from dataclasses import replace
from uuid import UUID

from temporalio import activity

from activities.connections import Connections
from activities.integration.target import Target, Targets
from domain.integration.outcome import Check, DeliveryFailed, FailureClass
from domain.integration.stored import SealedIntegration
from domain.storable import stored
from domain.tenant import TenantId
from storage.integration import drafts as draft
from storage.integration import integrations as integration
from storage.notification import parked as waiting
from workflows.integration import messages as m
from workflows.integration import steps

_SECONDS = 20.0  # the API waits half a minute for the answer
_DETAIL_CHARS = 2_000
_MENDED_BY_TENANT = (FailureClass.MISCONFIGURED, FailureClass.PERMANENT)


class CheckActivities:
    def __init__(self, connections: Connections) -> None:
        self._database, self._vault = connections.database, connections.vault
        self._egress = connections.egress

    @activity.defn(name=steps.test_integration.name)
    async def test_integration(self, input: m.IntegrationTestInput) -> m.IntegrationTested:
        """Run all checks of the channel. A check that fails is a result, not an error."""
        row = await self._load(input)
        if row is None:
            return m.IntegrationTested(success=False, error="the integration no longer exists")
        # A cache of its own, as a draft's secrets must not outlive the draft.
        target = Targets(self._vault).of(TenantId(input.tenant_id), row)
        checks = [_redacted(check, target) for check in await self._checks(target)]
        await self._note(input, row, checks)
        error = _error(checks)
        return m.IntegrationTested(success=error is None, error=error, checks=tuple(checks))

    async def _load(self, input: m.IntegrationTestInput) -> SealedIntegration | None:
        """The saved integration, or the draft in the form of one; None if it no longer exists."""
        async with self._database.tenant(TenantId(input.tenant_id)) as connection:
            if input.saved:
                return await integration.find(connection, UUID(input.subject))
            found = await draft.find(connection, UUID(input.subject))
        return None if found is None else _as_integration(found)

    async def _checks(self, target: Target) -> list[Check]:
        try:
            async with asyncio.timeout(_SECONDS):
                return await target.channel.test(target.config, self._egress)
        except TimeoutError:
            detail = f"the test did not end within {_SECONDS:g} s"
            return [Check("answer", False, detail, FailureClass.TRANSIENT)]
        except DeliveryFailed as error:
            return [Check("connection", False, error.failure.detail, error.failure.kind)]

    async def _note(
        self, input: m.IntegrationTestInput, row: SealedIntegration, checks: list[Check]
    ) -> None:
        """Record the result with a saved integration; delete a draft."""
        id, error = UUID(input.subject), _error(checks)
        async with self._database.tenant(TenantId(input.tenant_id)) as connection:
            if not input.saved:
                await draft.remove(connection, id)
            elif await integration.note_connection(
                connection, id, row["version"], _status(checks), error
            ):
                await integration.log(connection, id, _entry(checks))
                if error is None:
                    await waiting.wake(connection, id)


def _as_integration(found: draft.Draft) -> SealedIntegration:
    return {
        "id": found["id"],
        "type": found["type"],
        "config": found["config"],
        "credentials": found["credentials"],
        "version": 0,
    }


def _redacted(check: Check, target: Target) -> Check:
    """The check without secrets: a vendor's answer may quote what was sent."""
    return replace(check, detail=stored(target.redactor.text(check.detail), _DETAIL_CHARS))


def _failed(checks: list[Check]) -> Check | None:
    return next((check for check in checks if not check.ok), None)


def _error(checks: list[Check]) -> str | None:
    failed = _failed(checks)
    return f"{failed.name}: {failed.detail}" if failed else None


def _status(checks: list[Check]) -> str:
    """The connection's status, which says who has to act: the tenant if the config is wrong, else
    the vendor."""
    failed = _failed(checks)
    if failed is None:
        return "connected"
    return "misconfigured" if failed.kind in _MENDED_BY_TENANT else "failing"


def _entry(checks: list[Check]) -> integration.LogEntry:
    error = _error(checks)
    looked_at = [{"name": each.name, "ok": each.ok, "detail": each.detail} for each in checks]
    return {
        "level": "error" if error else "info",
        "action": "test",
        "detail": error or "the test succeeded",
        "context": {"checks": looked_at},
    }
