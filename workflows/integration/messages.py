"""The input and the result of the workflow that tests an integration."""

from domain.integration.outcome import Check
from domain.tenant import TenantIdField
from workflows.payload import Payload


class IntegrationTestInput(Payload):
    """Which integration to test, by its id `subject`: a saved one, or a draft, which is deleted
    afterwards."""

    tenant_id: TenantIdField
    subject: str
    saved: bool


class IntegrationTested(Payload):
    """What the test found; `error` names the first check that failed."""

    success: bool
    error: str | None = None
    checks: tuple[Check, ...] = ()
