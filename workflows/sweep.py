"""The sweep as its workflow sees it: input, result, activity, and what the Temporal UI shows."""

from datetime import timedelta

from workflows.payload import Payload
from workflows.step import BEAT, Step


class ReapInput(Payload):
    """A sweep leaves alone what is younger than `grace_seconds`."""

    grace_seconds: int


class Reaped(Payload):
    """What a sweep did: jobs started, jobs closed, objects deleted, broken uploads aborted,
    requests started again; and how much of it failed, which the worker's log explains."""

    started: int = 0
    closed: int = 0
    objects: int = 0
    uploads: int = 0
    restarted: int = 0
    troubled: int = 0


reap = Step("reap", ReapInput, Reaped, timeout=timedelta(minutes=30), heartbeat=BEAT * 3)


def shown(reaped: Reaped) -> str:
    """What a finished sweep did."""
    return (
        f"{reaped.started} jobs started, {reaped.closed} closed,"
        f" {reaped.objects} objects and {reaped.uploads} broken uploads removed,"
        f" {reaped.restarted} requests started again"
        + (f"; **{reaped.troubled} failed**, see the worker's log" if reaped.troubled else "")
    )
