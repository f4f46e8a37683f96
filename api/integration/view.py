"""Integrations as clients see them: their config with masks, and how they fare in the platform's
words."""

from datetime import datetime
from typing import Any

from api.errors import ApiError
from domain.json_document import Json
from integrations.channel import Channel, secret_names
from storage.integration.integrations import Integration

_HIDDEN = ("credentials", "credential_hints", "places")
# What the platform knows of a connection; ours, which says whose turn it is, is `health`.
_STATUSES = {
    "connected": "connected",
    **dict.fromkeys(("failing", "misconfigured", "disabled"), "failed"),
}
_DRAFT = "draft"


def is_draft(row: Integration) -> bool:
    """Whether it was made without a config, and has none yet: no type can do without."""
    return not row["config"] and not row["credentials"]


def check_configured(row: Integration) -> None:
    """Raises ApiError 409 for a draft."""
    if is_draft(row):
        detail = "it has no config yet: give it one with PATCH"
        raise ApiError("config_missing", detail)


def to_response(row: Integration, rests_until: datetime | None = None) -> Json:
    """A row of storage.integration.integrations as reads show it: no secret but its mask."""
    shown: Json = {name: value for name, value in row.items() if name not in _HIDDEN}
    health = _DRAFT if is_draft(row) else row["connection_status"]
    shown |= {**condition(health), "rests_until": rests_until}
    return shown | {"config": {**row["config"], **row["credential_hints"]}}


def condition(health: str | None) -> Json:
    """`connection_status` in the platform's words (None, pending, connected, failed), and ours."""
    status = "pending" if health == _DRAFT else _STATUSES.get(health or "")
    return {"connection_status": status, "health": health}


def type_of(channel: Channel[Any]) -> Json:
    """A type of integration, as it is listed."""
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
