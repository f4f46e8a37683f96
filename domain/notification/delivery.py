"""What can become of a delivery: one classification of every failure; the retry follows from it.

docs/delivery.md publishes the table; tests/conformance holds every channel to it.
"""

from enum import StrEnum


class DeliveryStatus(StrEnum):
    """`accepted`: the vendor took it and says no more; `delivered`: it confirmed the effect."""

    PENDING = "pending"
    SENDING = "sending"
    RETRYING = "retrying"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    NOT_SENT = "not_sent"


class Reason(StrEnum):
    """Why a delivery was not sent, was replaced or cancelled, or what it waits for."""

    INTEGRATION_OFF = "integration_off"
    INTEGRATION_DELETED = "integration_deleted"
    CHANNEL_OFF = "channel_off"
    CHANNEL_DELETED = "channel_deleted"  # the user chose one that there is no more
    MUTED = "muted"
    BELOW_MIN_SEVERITY = "below_min_severity"
    EVENT_TYPE_EXCLUDED = "event_type_excluded"
    NO_CHANNEL = "no_channel"  # none is default, or the user chose none
    NO_RECIPIENT = "no_recipient"
    SAME_DESTINATION = "same_destination"  # another delivery of the event leads there
    REPLACED_BY_TRIGGER = "replaced_by_trigger"
    REPLACED_BY_ACKNOWLEDGE = "replaced_by_acknowledge"
    REPLACED_BY_RESOLVE = "replaced_by_resolve"


OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.RETRYING})
