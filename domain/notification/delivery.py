"""The statuses of a delivery, and the reasons why one is not sent, waits or ends early.

docs/notification.md explains them to users.
"""

from enum import StrEnum


class DeliveryStatus(StrEnum):
    """`accepted`: the vendor took the message, but never confirms its effect; `delivered`: the
    vendor confirmed the effect."""

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
    CHANNEL_DELETED = "channel_deleted"  # the user chose a channel that no longer exists
    MUTED = "muted"
    BELOW_MIN_SEVERITY = "below_min_severity"
    EVENT_TYPE_EXCLUDED = "event_type_excluded"
    NO_CHANNEL = "no_channel"  # no channel is a default one, or the user chose no channel
    NO_RECIPIENT = "no_recipient"
    DONE_THERE = "done_there"  # a person did it in that tool
    SAME_DESTINATION = "same_destination"  # another delivery of the same event goes there
    REPLACED_BY_TRIGGER = "replaced_by_trigger"
    REPLACED_BY_ACKNOWLEDGE = "replaced_by_acknowledge"
    REPLACED_BY_RESOLVE = "replaced_by_resolve"


OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.RETRYING})
