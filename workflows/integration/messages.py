"""What the test of an integration is asked, and what it found."""

from domain.integration.outcome import Check
from domain.tenant import TenantIdField
from workflows.payload import Payload


class IntegrationTestInput(Payload):
    """Which integration to test: a saved one, or a draft that is forgotten afterwards."""

    tenant_id: TenantIdField
    subject: str
    saved: bool


class IntegrationTested(Payload):
    """What the test found; `error` is the first thing that is wrong."""

    success: bool
    error: str | None = None
    checks: tuple[Check, ...] = ()
