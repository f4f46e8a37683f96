"""How an integration fares, as the last deliveries through it show."""

from domain.integration.outcome import FailureClass
from domain.integration.stored import SendingIntegration
from storage.notification import attempts as record
from storage.notification.attempts import Outcome
from storage.postgres.statement import Statements


async def note_state(
    sql: Statements, integration: SendingIntegration, outcomes: list[Outcome]
) -> None:
    """Keep the integration's state true, writing only where it changed."""
    outcomes = [each for each in outcomes if _tells(each)]
    if not outcomes:
        return
    telling = next((each for each in outcomes if each.endpoint_gone), outcomes[-1])
    gone, (status, error) = telling.endpoint_gone, _state(telling)
    known = integration["connection_status"], integration["last_error"]
    if gone or (status, error) != known:
        await record.note_state(sql, integration, status, error, gone)


def _tells(outcome: Outcome) -> bool:
    """Whether it says anything of the integration: something was tried, and it was not the event
    that was refused for what it is."""
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
