"""One attempt: renders the message, sends it, and returns the outcome. It stores nothing."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from activities.integration.target import Target
from activities.notification.limiter import ConcurrencyLimiter
from activities.notification.links import Links
from domain.integration.outcome import DeliveryFailed, Failure, FailureClass, Receipt
from domain.json_document import Json
from domain.notification.backoff import JITTER, Failures, asks_too_much, next_delay, rest
from domain.notification.delivery import DeliveryStatus
from domain.notification.event import Severity
from domain.notification.message import render
from domain.redaction import Redactor
from domain.storable import stored
from egress.client import Egress
from integrations.channel import Limits, Outgoing
from storage.notification.attempts import Outcome
from storage.notification.claimed import Claimed
from storage.postgres.statement import as_json

_log = logging.getLogger(__name__)
_RESPONSE_CHARS, _ERROR_CHARS = 20_000, 2_000  # what is recorded of an answer and of an error
_SEVERITIES: dict[int | None, Severity] = {severity.rank: severity for severity in Severity}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claimed delivery with the integration that it goes through, and the maker of its links."""

    claimed: Claimed
    target: Target
    links: Links | None = None

    def outgoing(self) -> Outgoing[Any]:
        """The message to send, with the severity that the delivery was routed with, or that it took
        over from a delivery that it replaces."""
        config, claimed = self.target.config, self.claimed
        message = render(str(claimed.delivery_id), claimed.notification, config.severity)
        severity = _SEVERITIES.get(claimed.rank, message.severity)
        latest = claimed.latest
        # A vendor that shows an entity's state shows the same one after a repetition.
        repeated = claimed.repeated and not self.target.channel.limits.stateful
        if latest or repeated or severity is not message.severity:
            message = replace(message, severity=severity, latest=latest, repeated=repeated)
        links = self.links.of(self.target, message, claimed.recipient) if self.links else ()
        if links:
            message = replace(message, links=links)
        options = self.target.options(claimed.options)
        place, existing = claimed.destination, claimed.existing
        return Outgoing(message, config, options, claimed.recipient, place, existing)


async def wait_for_slot(claimed: Claimed, stop: asyncio.Event) -> bool:
    """Wait until the delivery may be sent; False if `stop` was set, so that it must not be sent."""
    wait = claimed.at - time.monotonic()
    if wait > 0 and not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait)
    return not stop.is_set()


async def send(
    attempt: Attempt, egress: Egress, limiter: ConcurrencyLimiter, jitter: float
) -> Outcome:
    """Send the message now. Whatever the channel raises becomes the outcome of a failure."""
    target = attempt.target
    started = time.perf_counter()
    request: Json | None = None
    result: Receipt | Failure
    try:
        outgoing = attempt.outgoing()
        request = target.channel.request(outgoing)
        result = await target.channel.deliver(outgoing, request, egress)
    except DeliveryFailed as error:
        result = error.failure
    except Exception as error:  # a fault of this program must not stop the other sends
        result = _unexpected(attempt.claimed, error, maybe_sent=request is not None)
    limiter.note(target.integration_id, timed_out=_timed_out(result))
    latency = round((time.perf_counter() - started) * 1000)
    return _outcome(attempt, request, result, latency, jitter)


def _unexpected(claimed: Claimed, error: Exception, *, maybe_sent: bool) -> Failure:
    name = type(error).__name__
    _log.error("unexpected %s in delivery %s", name, claimed.delivery_id, exc_info=error)
    detail = f"unexpected {name}; the worker's log has its message"
    return Failure(FailureClass.TRANSIENT, detail, maybe_sent=maybe_sent)


def _recorded(request: Json | None, sent: str, redact: Redactor) -> str:
    """The request as JSON to record, without secrets. Few requests hold one, so `sent`, its JSON,
    is checked first; where it holds one, only texts are replaced, so that it stays JSON."""
    return sent if redact.sent(sent) == sent else as_json(redact.request(request))


def _timed_out(result: Receipt | Failure) -> bool:
    """Whether there was no answer although the request may have been sent, or a wait timed out."""
    if isinstance(result, Receipt):
        return False
    silent = result.kind is FailureClass.TRANSIENT and result.status is None and result.maybe_sent
    return silent or result.timed_out


def _outcome(
    attempt: Attempt,
    request: Json | None,
    result: Receipt | Failure,
    latency_ms: int,
    jitter: float,
) -> Outcome:
    claimed, redact = attempt.claimed, attempt.target.redactor
    sent = as_json(request)
    outcome = Outcome(
        delivery_id=claimed.delivery_id,
        no=claimed.no,
        status=DeliveryStatus.ACCEPTED,
        failures=Failures(claimed.failures, claimed.throttles, claimed.doubts),
        latency_ms=latency_ms,
        ended=time.monotonic(),
        request=_recorded(request, sent, redact),
        response=stored(redact.text(result.response, sent), _RESPONSE_CHARS),
        pause=attempt.target.rest,
        destination=claimed.destination,
        tracked=attempt.target.channel.limits.tracked,
    )
    if isinstance(result, Receipt):
        named = (result.reference or {}).items()
        return outcome._replace(
            status=DeliveryStatus.DELIVERED if result.confirmed else DeliveryStatus.ACCEPTED,
            code=result.code,
            place=result.destination,
            reference={name: stored(redact.sent(text), _ERROR_CHARS) for name, text in named}
            or None,
        )
    return _failed(outcome, result, attempt.target.channel.limits, jitter)._replace(
        code=result.status,
        kind=result.kind,
        maybe_sent=result.maybe_sent,
        error=stored(redact.text(result.detail, sent), _ERROR_CHARS),
        endpoint_gone=result.endpoint_gone,
    )


def _failed(outcome: Outcome, failure: Failure, limits: Limits, jitter: float) -> Outcome:
    """The outcome with what a failure means for the delivery and for its destination."""
    failures = outcome.failures.plus(failure, idempotent=limits.idempotent)
    wait = next_delay(failure, failures, limits.schedule, jitter, idempotent=limits.idempotent)
    refused = failure.kind is FailureClass.MISCONFIGURED
    return outcome._replace(
        status=DeliveryStatus.FAILED if wait is None else DeliveryStatus.RETRYING,
        failures=failures,
        wait=wait,
        rest=rest(failure),
        doubts_destination=refused or asks_too_much(failure),
        jitter=1 + JITTER * jitter,
    )
