"""What is known of the thing that stands for an alert in a vendor's tool: an issue, a message."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.notification.event import Action, StoredEvent


@dataclass(frozen=True, slots=True)
class Existing:
    """What is known of the thing that stands for an alert at a vendor, before a delivery is sent.

    `reference` is the last `Receipt.reference` of the alert's deliveries in the channel, if one had
    any; `opened` is the event that made the thing, and `action` that of the last event it was told.
    `maybe_made` are the ids of deliveries of the alert, this one's included, of which an attempt
    may have arrived without its answer: each may have made a thing that `reference` does not name.
    `ago` is how many seconds ago the latest of these attempts ended.
    """

    reference: Mapping[str, str] | None = None
    maybe_made: tuple[str, ...] = ()
    ago: float = 0.0
    opened: StoredEvent | None = None
    action: Action | None = None


NOTHING_KNOWN = Existing()
