"""Keeps an integration's connection status up to date with its latest deliveries."""

from domain.integration.outcome import FailureClass
from domain.integration.stored import SendingIntegration
from storage.notification import attempts as record
from storage.notification.attempts import Outcome
from storage.postgres.statement import Statements


async def note_state(
    sql: Statements, integration: SendingIntegration, outcomes: list[Outcome]
) -> None:
    """Record the status that the outcomes show, if it differs from the one on record. An endpoint
    that is gone is recorded in any case, as that also switches the integration off."""
    outcomes = [each for each in outcomes if _shows_status(each)]
    if not outcomes:
        return
    telling = next((each for each in outcomes if each.endpoint_gone), outcomes[-1])
    gone, (status, error) = telling.endpoint_gone, _state(telling)
    known = integration["connection_status"], integration["last_error"]
    if gone or (status, error) != known:
        await record.note_state(sql, integration, status, error, gone)


def _shows_status(outcome: Outcome) -> bool:
    """Whether the outcome says something about the integration: there was a request, and the vendor
    did not refuse the event itself."""
    refused = outcome.kind is FailureClass.PERMANENT and not outcome.endpoint_gone
    return outcome.request != "null" and not refused


def _state(outcome: Outcome) -> tuple[str, str | None]:
    if outcome.kind is None or outcome.kind is FailureClass.THROTTLED:
        return "connected", None
    if outcome.endpoint_gone:
        return "disabled", outcome.error
    if outcome.kind is FailureClass.MISCONFIGURED:
        return "misconfigured", outcome.error
    return "failing", outcome.error
