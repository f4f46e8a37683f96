"""What the Temporal UI shows of a running notification request (Markdown)."""

from collections.abc import Iterable

from workflows.notification.messages import LaneState


def lanes(deliveries: int, open: Iterable[LaneState]) -> str:
    """A request's deliveries: how many are open, by integration. The workflow's timers show how
    long they wait."""
    waiting = list(open)
    left = sum(lane.open for lane in waiting)
    lines = [
        f"**{'delivering' if left else 'done'}** · {deliveries - left:,} of {deliveries:,}",
        "",
    ]
    lines += [f"- {lane_name(lane)}: {lane.open:,} open, {_doing(lane)}" for lane in waiting]
    return "\n".join(lines)


def lane_name(lane: LaneState) -> str:
    return f"{lane.type} {lane.integration_id}"


def _doing(lane: LaneState) -> str:
    if lane.wait is None:
        return "until somebody wakes them"
    return "waiting for their time" if lane.wait else "being sent"
