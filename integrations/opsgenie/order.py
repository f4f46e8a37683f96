"""Keeps the requests about one alert in order, which the vendor does not promise to do.

A request that was taken may be processed after one that came later. An acknowledgement before its
create, and a create before the close of the alert that it would join, would be lost without a word.
So the reference of a delivery says what is not known to be processed yet (`requestId`, `at`), and
the next delivery of the alert waits for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass
from integrations.channel import Outgoing
from integrations.opsgenie.client import Action, Client, Progress, State, Taken

# What must not be processed before a request that came earlier.
_DEPENDENT = {
    Action.CREATE: (Action.ACKNOWLEDGE, Action.CLOSE),
    Action.CLOSE: (Action.CREATE,),
}

# Seconds after which a request counts as processed: one that is known to wait, as throttled ones
# may be "delayed to be executed" (docs.opsgenie.com, "Rate Limiting"), and one that nothing is
# known of. Results are not kept for ever, either, so an old request may be found no more.
_PATIENCE = {State.WAITING: 600.0, State.UNSEEN: 15.0}


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier deliveries of an alert have asked of the same site.

    `reference` is that of the last one. `in_doubt`: another delivery's request may have arrived
    without its answer, `ago` seconds ago.
    """

    reference: Mapping[str, str] | None
    in_doubt: bool
    ago: float

    @classmethod
    def of(cls, outgoing: Outgoing[Any]) -> Self:
        """A reference of another site names an alert of another account."""
        existing, own = outgoing.existing, outgoing.message.delivery_id
        reference = existing.reference
        if reference is not None and reference.get("site") != outgoing.config.base:
            reference = None
        return cls(reference, bool(set(existing.maybe_made) - {own}), existing.ago)

    @property
    def has_opened(self) -> bool:
        """Whether the alert was opened, and not closed, as far as we told the vendor."""
        done = (self.reference or {}).get("action")
        return done in (Action.CREATE, Action.ACKNOWLEDGE)

    @property
    def may_open(self) -> bool:
        """Whether an alert that is not open yet may still be opened by a request in doubt."""
        return self.in_doubt and self.ago < _PATIENCE[State.WAITING]

    async def settle(self, client: Client, action: Action) -> None:
        """Raises DeliveryFailed if an earlier request may have to be processed first."""
        if action is Action.NOTE:
            return
        rest = _PATIENCE[State.UNSEEN] - self.ago
        if self.in_doubt and rest > 0:
            raise waiting("an earlier request about this alert may have arrived", rest)
        told = self.reference or {}
        if "requestId" not in told or action not in _DEPENDENT.get(Action(told["action"]), ()):
            return
        age = (datetime.now(UTC) - datetime.fromisoformat(told["at"])).total_seconds()
        if age < _PATIENCE[State.WAITING]:
            progress = await client.follow(told["requestId"])
            rest = _PATIENCE.get(progress.state, 0.0) - age
            if rest > 0:
                detail = f"the vendor has not processed the {told['action']} of this alert yet"
                raise waiting(detail, rest if progress.state is State.UNSEEN else None)


def waiting(why: str, wait: float | None = None) -> DeliveryFailed:
    """The failure, to be raised, of a delivery that comes too early."""
    return DeliveryFailed(Failure(FailureClass.TRANSIENT, why, retry_after=wait))


def referring(
    base: str, alias: str, action: Action, taken: Taken, progress: Progress
) -> dict[str, str]:
    """The reference of a delivery whose request was taken; `action` is what it has done."""
    made = {"site": base, "alias": alias}
    if not progress.is_pointless:
        made["action"] = str(action)
    if progress.alert_id:
        made["alertId"] = progress.alert_id
    if progress.state in _PATIENCE and taken.id:
        made |= {"requestId": taken.id, "at": datetime.now(UTC).isoformat()}
    return made
