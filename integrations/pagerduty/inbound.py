"""PagerDuty's webhooks, version 3: what people do to incidents there.

Source: developer.pagerduty.com, "Webhooks v3 overview" and "Verifying signatures". A signature has
no time, so that anybody may repeat a call at any time: the event's id, which is signed, tells it.
The header `X-Webhook-Id` is not signed. PagerDuty disables a webhook after three 4xx in a row.
"""

from domain.json_document import Json
from domain.notification.event import Action
from domain.notification.inbound import VendorAction
from integrations.inbound import Call, Forged, Report, digest, hmac_sha256, is_among
from integrations.pagerduty.config import PagerDutyConfig
from integrations.reply import json_of

_ACTIONS = {
    "incident.acknowledged": Action.ACKNOWLEDGE,
    "incident.resolved": Action.RESOLVE,
    "incident.reopened": Action.TRIGGER,
}


class PagerDutyInbound:
    """Reads the calls of a generic webhook (v3) of a service or an account."""

    shows_own = True

    def is_ready(self, config: PagerDutyConfig) -> bool:
        return config.webhook_secret is not None

    def read(self, config: PagerDutyConfig, call: Call) -> Report:
        assert config.webhook_secret is not None, "the caller has asked `is_ready`"
        expected = f"v1={hmac_sha256(config.webhook_secret.get_secret_value(), call.body)}"
        given = call.headers.get("x-pagerduty-signature", "")
        if not is_among(expected, (each.strip() for each in given.split(","))):
            raise Forged("X-PagerDuty-Signature does not fit webhookSecret")
        event = json_of(call.body).get("event")
        if not isinstance(event, dict):
            return Report(digest(call.body))
        id = event.get("id")
        key = id if isinstance(id, str) and id else digest(call.body)
        action = _action_of(event)
        return Report(key, (action,) if action else ())


def _action_of(event: Json) -> VendorAction | None:
    """What a person did; None for all else, as for what we have done ourselves with an event."""
    action = _ACTIONS.get(str(event.get("event_type")))
    agent, incident = _object(event, "agent"), _object(event, "data")
    key = incident.get("incident_key")
    if action is None or not isinstance(key, str) or "integration" in str(agent.get("type")):
        return None
    return VendorAction(action, key, str(agent.get("summary") or ""))


def _object(said: Json, name: str) -> Json:
    value = said.get(name)
    return value if isinstance(value, dict) else {}
