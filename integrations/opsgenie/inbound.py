"""Opsgenie's webhooks, also of Jira Service Management: what people do to alerts there.

Source: docs.opsgenie.com, "Webhook integration" and "Opsgenie Edge Connector alert action data".
The vendor signs nothing: a header that the webhook is given holds a secret, so whoever sees a call
can make others. The body has no id of the call, and is known again by its digest.
"""

from domain.json_document import Json
from domain.notification.event import Action
from domain.notification.inbound import VendorAction
from integrations.inbound import Call, Forged, Report, digest, is_among
from integrations.opsgenie.config import OpsgenieConfig
from integrations.reply import json_of

HEADER = "x-firelater-secret"
_ACTIONS = {
    "Acknowledge": Action.ACKNOWLEDGE,
    "Close": Action.RESOLVE,
}


class OpsgenieInbound:
    """Reads the calls of an outgoing webhook for the actions Acknowledge and Close."""

    shows_own = True

    def is_ready(self, config: OpsgenieConfig) -> bool:
        return config.webhook_secret is not None

    def read(self, config: OpsgenieConfig, call: Call) -> Report:
        assert config.webhook_secret is not None, "the caller has asked `is_ready`"
        if not is_among(config.webhook_secret.get_secret_value(), [call.headers.get(HEADER, "")]):
            raise Forged(f"the header {HEADER} does not hold webhookSecret")
        action = _action_of(json_of(call.body), config)
        return Report(digest(call.body), (action,) if action else ())


def _action_of(said: Json, config: OpsgenieConfig) -> VendorAction | None:
    """What a person did; None for what came through the vendor's API, as ours does."""
    action, alert = _ACTIONS.get(str(said.get("action"))), _object(said, "alert")
    alias, source = alert.get("alias"), _object(said, "source")
    if action is None or not isinstance(alias, str) or str(source.get("type")).lower() == "api":
        return None
    by = str(alert.get("username") or "")
    reference = (("site", config.base), ("alias", alias))
    return VendorAction(action, "", by, reference=reference)


def _object(said: Json, name: str) -> Json:
    value = said.get(name)
    return value if isinstance(value, dict) else {}
