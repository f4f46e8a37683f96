"""Integrations as the HTTP API shows them: their config with masked secrets, and their state."""

from datetime import datetime
from typing import Any

from api.errors import ApiError
from domain.json_document import Json
from integrations.channel import Channel, secret_names
from storage.integration.integrations import Integration

_HIDDEN = ("credentials", "credential_hints", "places")
# The states that FireLater's own client knows. `health`, our own, also says who has to act.
_STATUSES = {
    "connected": "connected",
    **dict.fromkeys(("failing", "misconfigured", "disabled"), "failed"),
}
_DRAFT = "draft"


def is_draft(row: Integration) -> bool:
    """Whether the integration has no config yet; every type needs one."""
    return not row["config"] and not row["credentials"]


def check_configured(row: Integration) -> None:
    """Raises ApiError 409 for a draft."""
    if is_draft(row):
        detail = "the integration has no config yet: give it one with PATCH"
        raise ApiError("config_missing", detail)


def to_response(row: Integration, rests_until: datetime | None = None) -> Json:
    """An integration as reads show it, with masks in place of secrets. `rests_until` is the time
    until which its vendor asked for a pause, if any."""
    shown: Json = {name: value for name, value in row.items() if name not in _HIDDEN}
    health = _DRAFT if is_draft(row) else row["connection_status"]
    shown |= {**condition(health), "rests_until": rests_until}
    return shown | {"config": {**row["config"], **row["credential_hints"]}}


def condition(health: str | None) -> Json:
    """`connection_status`, in the words of FireLater's own client (None, pending, connected or
    failed), and `health`, our own state."""
    status = "pending" if health == _DRAFT else _STATUSES.get(health or "")
    return {"connection_status": status, "health": health}


def type_of(channel: Channel[Any]) -> Json:
    """A type of integration as `GET /v1/integrations/types` shows it."""
    limits = channel.limits
    rate = limits.rate and {"count": limits.rate.count, "seconds": limits.rate.seconds}
    return {
        "id": channel.kind,
        "name": channel.title,
        "description": channel.description,
        "type": channel.kind,
        "title": channel.title,
        "config_schema": channel.config.model_json_schema(),
        "options_schema": channel.options.model_json_schema(),
        "secrets": sorted(secret_names(channel.config)),
        "limits": {
            "rate": rate,
            "retry_seconds": limits.schedule.delays,
            "deadline_seconds": limits.schedule.lasts,
            "keyed": limits.idempotent,
        },
    }
