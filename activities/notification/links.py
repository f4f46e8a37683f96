"""The links in a message by which its reader acts on its entity."""

from activities.integration.target import Target
from domain.notification.action_link import ActionLink, expiry, offered, sign, url_of
from domain.notification.event import Action
from domain.notification.message import Message
from storage.secrets.vault import Vault


class Links:
    """Makes links to the pages of this service, which people reach at `public_url`; none where that
    is not known."""

    def __init__(self, vault: Vault, public_url: str | None) -> None:
        self._vault, self._public_url = vault, public_url

    def of(
        self, target: Target, message: Message, recipient: str
    ) -> tuple[tuple[Action, str], ...]:
        """The links of a message, by what they do; none where the vendor has buttons of ours."""
        if self._public_url is None or not target.channel.limits.linked:
            return ()
        base = self._public_url
        return tuple(
            (each, url_of(base, self._token(target, message, each, recipient)))
            for each in offered(message)
        )

    def _token(self, target: Target, message: Message, action: Action, recipient: str) -> str:
        link = ActionLink(
            tenant_id=target.tenant_id,
            integration_id=str(target.integration_id),
            delivery_id=message.delivery_id,
            alert_key=message.alert_key,
            action=str(action),
            by=recipient,
            until=expiry(message),
        )
        return sign(self._vault.keyring, link)
