"""What people do to an entity in a vendor's tool, and the event that follows from it. Pure."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from domain.notification.event import Action, Event, StoredEvent, User, stated_severity
from domain.storable import stored

_DONE = {
    Action.TRIGGER: ("reopened", "Opened again"),
    Action.ACKNOWLEDGE: ("acknowledged", "Acknowledged"),
    Action.RESOLVE: ("resolved", "Resolved"),
}
_TYPE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")
_NAME_CHARS, _TEXT_CHARS = 200, 10_000


@dataclass(frozen=True, slots=True)
class VendorAction:
    """What a person did in a vendor's tool to what stands there for an entity.

    `alert_key` is our key of the entity, as the vendor gives it back; where it gives none,
    `reference` has members of the reference that it gave us (names and values). `by` is the
    person's name in that tool, and `note` what they wrote, if anything. Texts are kept without what
    PostgreSQL cannot hold.
    """

    action: Action
    alert_key: str
    by: str
    note: str = ""
    reference: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name in ("alert_key", "by", "note"):
            object.__setattr__(self, name, stored(getattr(self, name), _TEXT_CHARS))
        reference = ((name, stored(value, _TEXT_CHARS)) for name, value in self.reference)
        object.__setattr__(self, "reference", tuple(reference))


def state_after(actions: Iterable[Action]) -> Action | None:
    """The state that events with these actions, oldest first, leave an entity in: open (TRIGGER),
    acknowledged or resolved. None if there are none. A further trigger leaves an acknowledged
    entity acknowledged, as in PagerDuty."""
    state: Action | None = None
    for action in actions:
        is_known = state is Action.ACKNOWLEDGE and action is Action.TRIGGER
        stays_over = state is Action.RESOLVE and action is Action.ACKNOWLEDGE
        state = state if is_known or stays_over else action
    return state


def changes(state: Action | None, action: Action) -> bool:
    """Whether the action changes an entity in this state. What changes nothing has no effect: it is
    mostly the vendor's report of what we have just done there ourselves."""
    return {
        Action.TRIGGER: state is Action.RESOLVE,
        Action.ACKNOWLEDGE: state is Action.TRIGGER,
        Action.RESOLVE: state is not None and state is not Action.RESOLVE,
    }[action]


def event_of(done: VendorAction, vendor: str, last: StoredEvent, key: str) -> Event:
    """The event that tells the other tools. It goes to whom the entity's `last` event went, with
    its severity; `key` names the call that reported the action, so that a repetition is known."""
    entity_type, user = last["entity_type"] or "", last["recipient"]
    ending, word = _DONE[done.action]
    severity = stated_severity(last["event_type"], last["metadata"])
    by, said = done.by[:_NAME_CHARS], f"{key} {done.alert_key or done.reference} {done.action}"
    return Event(
        event_type=f"{entity_type if _TYPE.fullmatch(entity_type) else 'entity'}.{ending}",
        title=f"{word} in {vendor} by {by}" if by else f"{word} in {vendor}",
        body=done.note,
        entity_type=last["entity_type"],
        entity_id=last["entity_id"],
        metadata={"by": by, "via": vendor}
        | ({} if severity is None else {"severity": str(severity)}),
        user=None if user is None else User.model_validate(user),
        dedup_key=f"inbound:{hashlib.sha256(said.encode(errors='backslashreplace')).hexdigest()}",
    )
