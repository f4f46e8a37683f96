"""E-mail through the tenant's own server (SMTP submission, RFC 6409)."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from channels.channel import Limits, Outgoing
from channels.egress import Egress
from channels.email_config import RECIPIENTS, EmailConfig, mailbox
from channels.email_message import envelope, mime
from channels.smtp import Conversation
from domain.delivery import (
    MAIL,
    Check,
    DeliveryFailed,
    DeliveryStatus,
    Failure,
    FailureClass,
    Receipt,
)


@cache
def _system_trust() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass(frozen=True)
class Email:
    """Mail to the user the event is for, else to those named by the channel or the integration.

    Accepted means that the server took it: what happens on the way to the inbox comes back as
    mail to the sender, not to us.
    """

    trust: Callable[[], ssl.SSLContext] = _system_trust  # whose certificates are believed

    kind = "email"
    title = "E-mail"
    config = EmailConfig
    # No vendor, no rate: a server's own limit belongs into the integration's `rateLimit`.
    limits = Limits(schedule=MAIL, keyed=False)

    def destination(self, outgoing: Outgoing[EmailConfig]) -> str:
        """The server: it counts connections and mails, and it is what hangs if something does.

        A dead recipient is told by it at once, and then only that delivery waits.
        """
        return ""

    def recipients(self, outgoing: Outgoing[EmailConfig]) -> tuple[str, ...]:
        return ("",)

    def request(self, outgoing: Outgoing[EmailConfig]) -> dict[str, Any]:
        return envelope(outgoing.message, outgoing.config, _recipients(outgoing))

    async def deliver(
        self, outgoing: Outgoing[EmailConfig], request: dict[str, Any], egress: Egress
    ) -> Receipt:
        to = _mailboxes(request["to"])
        talk = Conversation(outgoing.config)
        async with talk.open(egress, self.trust()):
            response = await _send(talk, request, to)
        reference = {"message_id": request["headers"]["Message-ID"]}
        return Receipt(DeliveryStatus.ACCEPTED, 250, reference, response)

    async def test(self, config: EmailConfig, egress: Egress) -> list[Check]:
        """All that comes before a mail's content, then RSET: nobody gets anything."""
        talk = Conversation(config)
        try:
            async with talk.open(egress, self.trust()):
                await _rehearse(talk)
        except DeliveryFailed as failed:
            talk.done.append(_failed(talk.step, failed.failure))
        return talk.done


def _recipients(outgoing: Outgoing[EmailConfig]) -> list[str]:
    if outgoing.message.recipient:
        return [outgoing.message.recipient]
    named = outgoing.options.get("to") or outgoing.config.to
    return [named] if isinstance(named, str) else [str(each) for each in named]


def _mailboxes(addresses: list[str]) -> list[str]:
    """Raises DeliveryFailed if there is none, or one that is no address."""
    if not 0 < len(addresses) <= RECIPIENTS:
        detail = f"{len(addresses)} recipients, where a mail has 1 to {RECIPIENTS}"
        raise DeliveryFailed(Failure(FailureClass.MISCONFIGURED, detail))
    try:
        return list(dict.fromkeys(map(mailbox, addresses)))
    except ValueError as error:
        raise DeliveryFailed(Failure(FailureClass.PERMANENT, f"a recipient: {error}")) from None


async def _send(talk: Conversation, request: dict[str, Any], to: list[str]) -> str:
    """What the server said, and who is not among those it took the mail for.

    One mail goes to all recipients, once: as soon as somebody is accepted it is sent, and those
    who are refused then, even for the moment, are named and do not get it later. Waiting for
    them would keep it from the others; sending again would send it twice.
    """
    utf8 = await talk.begin(request["sender"], to)
    answers = {one: await talk.offer(one) for one in to}
    refused = [failure for failure in answers.values() if failure]
    accepted = [one for one, failure in answers.items() if failure is None]
    if not accepted:
        raise DeliveryFailed(_together(refused))
    said = await talk.hand_over(mime(request, accepted, utf8))
    return "\n".join([said, *map(_words, refused)]).strip()


def _together(refused: list[Failure]) -> Failure:
    """Nobody was accepted; worth another attempt as soon as one of them is."""
    first = next((each for each in refused if each.kind is FailureClass.TRANSIENT), refused[0])
    return replace(first, detail="; ".join(each.detail for each in refused))


def _words(failure: Failure) -> str:
    return f"{failure.detail} {failure.response}".strip()


def _failed(step: str, failure: Failure) -> Check:
    return Check(step, False, _words(failure), failure.kind)


async def _rehearse(talk: Conversation) -> None:
    config = talk.config
    await talk.begin(config.from_address, config.to)
    for one in config.to:
        if failure := await talk.offer(one):
            talk.done.append(_failed(talk.step, failure))
    if not config.to:
        detail = "no usual recipients: whom it takes mail for is known when there is one"
        talk.done.append(Check("RCPT TO", True, detail))
    await talk.reset()
    detail = "nothing was sent; that its mails reach an inbox cannot be proved without one"
    talk.done.append(Check(talk.step, True, detail))
