"""E-mail through the tenant's own server (SMTP submission, RFC 6409), one mail per address."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from domain.integration.outcome import Check, DeliveryFailed, Failure, FailureClass, Receipt
from domain.integration.retry_schedule import Schedule
from domain.json_document import Json
from egress.client import Egress
from integrations.channel import Limits, Outgoing
from integrations.email.address import mailbox, meant
from integrations.email.config import EmailConfig, EmailOptions
from integrations.email.message import envelope, mime
from integrations.email.smtp import Conversation
from integrations.email.smtp_waits import Waits
from integrations.oauth import Tokens

# RFC 5321 4.5.4.1: "the give-up time generally needs to be at least 4-5 days"; its half an hour
# between attempts is for relays, whose mail nobody waits for.
MAIL = Schedule((5, 60, 300, 900, 1_800, 3_600, 7_200, 14_400), 5 * 86_400)
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

    trust: Callable[[], ssl.SSLContext] | None = None  # authorities in place of the egress's
    waits: Waits = field(default_factory=Waits)
    tokens: Tokens = field(default_factory=Tokens)

    kind = "email"
    title = "Email (SMTP)"
    description = "Send email notifications"
    config = EmailConfig
    options = EmailOptions
    signing = None
    inbound = None
    # There is no vendor's rate: a server's own limit belongs into the integration's `rateLimit`.
    limits = Limits(schedule=MAIL, idempotent=False, slow=True, linked=True)

    def destination(self, outgoing: Outgoing[EmailConfig]) -> str:
        """The mail server, of which there is one: it counts connections and mails, and it may hang.

        It refuses a bad recipient at once, so that only this delivery waits.
        """
        return ""

    def recipients(self, outgoing: Outgoing[EmailConfig]) -> tuple[str, ...]:
        """Every address once; none if nobody is named. Invalid addresses are among them, so that
        their deliveries say so."""
        found: dict[str, str] = {}
        for address in filter(None, map(meant, _named(outgoing))):
            found.setdefault(address.casefold(), address)
        return tuple(found.values())

    def request(self, outgoing: Outgoing[EmailConfig]) -> Json:
        return envelope(outgoing.message, outgoing.config, self._to(outgoing))

    def _to(self, outgoing: Outgoing[EmailConfig]) -> tuple[str, ...]:
        """The delivery's recipient. A delivery without one, from before deliveries had recipients
        or from when nobody was named, goes to all that are named now."""
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
        """Talk to the server up to a mail's content, then send RSET: nobody gets anything.

        As somebody waits for the result, the test takes less time than a mail may, and says so.
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
    """The recipients that the notification channel names, or else the integration; and the event's
    user, unless the notification channel excludes them."""
    options: EmailOptions = outgoing.options
    yield from outgoing.config.to if options.to is None else options.to
    if outgoing.message.recipient and options.user:
        yield outgoing.message.recipient


def _mailboxes(addresses: list[str]) -> list[str]:
    """The addresses as SMTP takes them. Raises DeliveryFailed if there is none or a bad one."""
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
    """Send the mail; returns what the server said, and who or what it did not take.

    Of several recipients, those that the server takes get the mail, once; the others are named.
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
    remark = _reply_to_remark(reply_to, utf8=utf8)
    return "\n".join(filter(None, [said, *map(_words, refused), remark]))


def _reply_to_remark(reply_to: str | None, *, utf8: bool) -> str:
    """The remark that the Reply-To was left out, if it had to be; else empty."""
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
        detail = "no usual recipients: without one, the test cannot tell whom it takes mail for"
        talk.done.append(Check("RCPT TO", True, detail))
    if missing := _reply_to_remark(config.reply_to, utf8=utf8):
        talk.done.append(Check("Reply-To", True, missing))
    await talk.reset()
    detail = "nothing was sent; only a real mail can prove that mails reach an inbox"
    talk.done.append(Check(talk.step, True, detail))
