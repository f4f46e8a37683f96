"""E-mail through the tenant's own server (SMTP submission, RFC 6409), one mail per address."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.integration.pace import MAIL
from domain.json_document import Json
from egress.client import Egress
from integrations.channel import Limits, Outgoing
from integrations.email.address import mailbox, meant
from integrations.email.config import EmailConfig, EmailOptions
from integrations.email.message import envelope, mime
from integrations.email.smtp import Conversation
from integrations.email.smtp_waits import Waits
from integrations.oauth import Tokens

_NOBODY = (
    "there is nobody to send it to: name recipients in the notification channel's or the"
    " integration's `to`, or send events with an address in user.email"
)
_CORRECT = (
    "correct it where it comes from (user.email of the event, `to` of the notification channel or"
    " of the integration), and send the event again"
)


@dataclass(frozen=True)
class Email:
    """Mail to those named by the channel, else by the integration, and to the event's user.

    Accepted means that the server took it: what happens on the way to the inbox comes back as
    mail to the sender, not to us.
    """

    trust: Callable[[], ssl.SSLContext] | None = None  # others than those of the way out
    waits: Waits = field(default_factory=Waits)
    tokens: Tokens = field(default_factory=Tokens)

    kind = "email"
    title = "Email (SMTP)"
    description = "Send email notifications"
    config = EmailConfig
    options = EmailOptions
    signing = None
    # No vendor, no rate: a server's own limit belongs into the integration's `rateLimit`.
    limits = Limits(schedule=MAIL, idempotent=False, slow=True)

    def destination(self, outgoing: Outgoing[EmailConfig]) -> str:
        """The server: it counts connections and mails, and it is what hangs if something does.

        A dead recipient is told by it at once, and then only that delivery waits.
        """
        return ""

    def recipients(self, outgoing: Outgoing[EmailConfig]) -> tuple[str, ...]:
        """Every address once; none if nobody is named. What is no address is among them, so that
        a delivery says so."""
        found: dict[str, str] = {}
        for address in filter(None, map(meant, _named(outgoing))):
            found.setdefault(address.casefold(), address)
        return tuple(found.values())

    def request(self, outgoing: Outgoing[EmailConfig]) -> Json:
        return envelope(outgoing.message, outgoing.config, self._to(outgoing))

    def _to(self, outgoing: Outgoing[EmailConfig]) -> tuple[str, ...]:
        """The delivery's recipient. One without, of before there were any or of when nobody was
        named, is for all that are named now."""
        one = outgoing.recipient
        return (one,) if one else self.recipients(outgoing)

    async def deliver(
        self, outgoing: Outgoing[EmailConfig], request: Json, egress: Egress
    ) -> Receipt:
        to = _mailboxes(request["to"])
        talk = Conversation(outgoing.config, self.tokens, self.waits)
        async with talk.open(egress, self._trust(egress)):
            response = await _send(talk, request, to)
        reference = {"message_id": request["headers"]["Message-ID"]}
        return Receipt(False, 250, reference, response)

    def _trust(self, egress: Egress) -> ssl.SSLContext:
        return self.trust() if self.trust else egress.trust

    async def test(self, config: EmailConfig, egress: Egress) -> list[Check]:
        """All that comes before a mail's content, then RSET: nobody gets anything.

        Somebody waits for it, so it waits for no step as long as a mail does, and says so.
        """
        talk = Conversation(config, self.tokens, self.waits)
        try:
            async with asyncio.timeout(self.waits.test), talk.open(egress, self._trust(egress)):
                await _rehearse(talk)
        except DeliveryFailed as failed:
            talk.done.append(_failed(talk.step, failed.failure))
        except TimeoutError:
            talk.done.append(_unfinished(talk.step, self.waits.test))
        return talk.done


def _named(outgoing: Outgoing[EmailConfig]) -> Iterator[str]:
    """Whom the channel names, or else the integration; and the user, unless the channel says
    otherwise."""
    options: EmailOptions = outgoing.options
    yield from outgoing.config.to if options.to is None else options.to
    if outgoing.message.recipient and options.user:
        yield outgoing.message.recipient


def _mailboxes(addresses: list[str]) -> list[str]:
    """Raises DeliveryFailed if there is none, or one that is no address."""
    if not addresses:
        raise DeliveryFailed(Failure(FailureClass.MISCONFIGURED, _NOBODY))
    found = []
    for address in addresses:
        try:
            found.append(mailbox(address))
        except ValueError as error:
            detail = f"{address!r}: {error}; {_CORRECT}"
            raise DeliveryFailed(Failure(FailureClass.PERMANENT, detail)) from None
    return found


async def _send(talk: Conversation, request: Json, to: list[str]) -> str:
    """What the server said, and who or what it did not take.

    Where there are several, those that it takes get the mail, once, and the others are named.
    """
    reply_to = request["reply_to"]
    utf8 = await talk.begin(request["sender"], [*to, *filter(None, [reply_to])])
    answers = {one: await talk.offer(one) for one in to}
    refused = [failure for failure in answers.values() if failure]
    accepted = [one for one, failure in answers.items() if failure is None]
    if not accepted:
        passing = [each for each in refused if each.kind is FailureClass.TRANSIENT]
        raise DeliveryFailed((passing or refused)[0])
    said = await talk.hand_over(mime(request, accepted, utf8))
    return "\n".join(filter(None, [said, *map(_words, refused), _without(reply_to, utf8=utf8)]))


def _without(reply_to: str | None, *, utf8: bool) -> str:
    """That the Reply-To had to be left out, if so."""
    if not reply_to or reply_to.isascii() or utf8:
        return ""
    return f"Reply-To {reply_to} was left out: it needs SMTPUTF8, which the server does not offer"


def _words(failure: Failure) -> str:
    return f"{failure.detail} {failure.response}".strip()


def _failed(step: str, failure: Failure) -> Check:
    return Check(step, False, _words(failure), failure.kind)


def _unfinished(step: str, seconds: float) -> Check:
    detail = (
        f"no answer yet: the test ends after {seconds:g} s in all. A mail waits longer (5 minutes"
        " for a greeting or a command), so it may arrive all the same"
    )
    return Check(step, False, detail, FailureClass.TRANSIENT)


async def _rehearse(talk: Conversation) -> None:
    config = talk.config
    utf8 = await talk.begin(config.from_address, [*config.to, *filter(None, [config.reply_to])])
    for one in config.to:
        if failure := await talk.offer(one):
            talk.done.append(_failed(talk.step, failure))
    if not config.to:
        detail = "no usual recipients: whom it takes mail for is known when there is one"
        talk.done.append(Check("RCPT TO", True, detail))
    if missing := _without(config.reply_to, utf8=utf8):
        talk.done.append(Check("Reply-To", True, missing))
    await talk.reset()
    detail = "nothing was sent; that its mails reach an inbox cannot be proved without one"
    talk.done.append(Check(talk.step, True, detail))
