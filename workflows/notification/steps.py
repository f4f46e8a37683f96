"""The activities of a notification request, as its workflow sees them."""

from datetime import timedelta

from workflows.notification import messages as m
from workflows.step import BEAT, DELIVER, Step

# After 20 s a round only waits for what is in flight then: a mail server may take 5 minutes to
# greet and 10 to answer (RFC 5321 4.5.3.2). Heartbeats show whether the worker is alive.
_SEND = timedelta(minutes=30)
open_request = Step("open_request", m.RequestRef, m.Opened, DELIVER, _SEND, BEAT * 2)
deliver = Step("deliver", m.DeliverInput, m.LaneState, DELIVER, _SEND, BEAT * 2)

STEPS = (
    open_request,
    deliver,
)
