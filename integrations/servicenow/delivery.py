"""One delivery to ServiceNow: finds the record of the event's entity, and makes or changes it.

Making and noting cannot be repeated without being seen twice. So a creation whose answer is
missing is looked for by its `correlation_id`, and a work note by the mark that ends it, before
either is repeated. By then the instance must be done with the first attempt: it may work on a
request for 60 seconds, whoever still waits (docs.servicenow.com, "Default quota rules").
"""

from dataclasses import dataclass

from domain.integration.outcome import DeliveryFailed, Failure, FailureClass, Receipt
from domain.json_document import Json
from integrations.channel import Existing, Outgoing
from integrations.reply import body_for_record
from integrations.servicenow.client import Client, Record, Written
from integrations.servicenow.config import ServiceNowConfig
from integrations.servicenow.content import LONG, mark, units
from integrations.servicenow.life import begins, next_state
from integrations.text import cut

_AT_WORK = 60.0  # seconds that an instance may work on a request
_WAITS = "an earlier attempt may still be at work in the instance; it is looked for a little later"
_UNREADABLE = "the user may not read `state` of {table}, without which no record is changed"
_STATE_STAYS = (
    "{number} keeps its state {old} although {new} was set: let the user write `state`, or look for"
    " a business rule that resets it"
)
_NO_NOTE = "{number} did not take the work note: let the user write work_notes of {table}"
_UNPROVED = "not proved: that the work note is there, as the user sees no work notes"


def reference_to(record: Record, config: ServiceNowConfig) -> dict[str, str]:
    """The vendor's handle for a record, which means another record elsewhere."""
    return {
        "site": config.instance_url,
        "table": config.table,
        "sys_id": record.sys_id,
        "number": record.number,
    }


def referred(existing: Existing, config: ServiceNowConfig) -> Record | None:
    """The record that an earlier delivery named, if it is in the table that the config names."""
    known = existing.reference or {}
    here = (known.get("site"), known.get("table")) == (config.instance_url, config.table)
    return Record(known["sys_id"], known.get("number", "")) if here and "sys_id" in known else None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way. `send` makes the calls; `request` is what it may write."""

    outgoing: Outgoing[ServiceNowConfig]
    request: Json
    client: Client

    async def send(self) -> Receipt:
        known = referred(self.outgoing.existing, self.config)
        made = await self._search(known)
        for own in made:
            if own.correlation_id == self.id:
                return self._done(f"{own.number} was made by an earlier attempt", own)
        record = await self.client.record(known.sys_id) if known else self._first_open(made)
        if record is None:
            return await self._begin("which was deleted, or is hidden from the user", known)
        if record.state in self.config.states.closed:
            return await self._begin("which is closed", record)
        return await self._change(record)

    @property
    def config(self) -> ServiceNowConfig:
        return self.outgoing.config

    @property
    def id(self) -> str:
        return self.outgoing.message.delivery_id

    @property
    def _is_doubtful(self) -> bool:
        """Whether an earlier attempt of this very delivery may have arrived."""
        return self.id in self.outgoing.existing.maybe_made

    async def _search(self, known: Record | None) -> list[Record]:
        """What attempts without an answer may have made. With a known record, only this delivery's
        own attempt counts: it may have made another one, if the known one was closed."""
        existing = self.outgoing.existing
        ids = existing.maybe_made if known is None else (self.id,) * self._is_doubtful
        if ids and existing.ago < _AT_WORK:
            wait = _AT_WORK - existing.ago
            raise DeliveryFailed(Failure(FailureClass.TRANSIENT, _WAITS, retry_after=wait))
        return await self.client.search(ids) if ids else []

    def _first_open(self, made: list[Record]) -> Record | None:
        closed = self.config.states.closed
        return next((each for each in made if each.state not in closed), made[0] if made else None)

    async def _begin(self, why: str, old: Record | None) -> Receipt:
        """Make a record. `old` stood for the entity, and cannot any more; `why` says so."""
        message = self.outgoing.message
        over = f"{old.number or old.sys_id}, {why}" if old else ""
        if not begins(message, had_one=old is not None):
            left = over or "no record was made for this entity"
            return self._idle(
                f"nothing was sent, there is nothing to {message.action}: {left}", old
            )
        fields = dict(self.request["create"])
        if over:
            told = f"Continues {over}.\n\n{fields['description']}"
            fields["description"] = cut(told, LONG, units)
        written = await self.client.create(fields)
        return self._receipt(written, written.untaken(), confirmed=True)

    async def _change(self, record: Record) -> Receipt:
        """Set state and note by one request, so that neither is there without the other."""
        if not record.state:
            raise _misconfigured(_UNREADABLE.format(table=self.config.table))
        state = next_state(self.outgoing.message, record.state, self.config.states)
        fields: Json = {"state": state} if state else {}
        if state == self.config.states.resolve:
            fields |= self.request["resolve"]
        if not (self._is_doubtful and await self._has_note(record)):
            fields["work_notes"] = self.request["note"]
        if not fields:
            return self._done(f"{record.number} was changed by an earlier attempt", record)
        written = await self.client.change(record.sys_id, fields)
        if state and written.record.state == record.state:
            why = _STATE_STAYS.format(number=record.number, old=record.state, new=state)
            raise _misconfigured(why, written, maybe_sent=True)
        return await self._noted(written, has_state=bool(state and written.record.state))

    async def _noted(self, written: Written, *, has_state: bool) -> Receipt:
        """The receipt, once the note was looked for: it is dropped without an error where the user
        may not write it."""
        remarks = written.untaken()
        has_note = await self._shows_note(written)
        if has_note is False and not has_state:
            why = _NO_NOTE.format(number=written.record.number, table=self.config.table)
            raise _misconfigured(why, written)
        if not has_note:
            remarks.append(_UNPROVED if has_note is None else "The work note was not taken.")
        return self._receipt(written, remarks, confirmed=has_state or bool(has_note))

    async def _shows_note(self, written: Written) -> bool | None:
        """As `_has_note`, of what was written just now; a note that was not sent needs no look."""
        if "work_notes" not in written.sent:
            return True
        try:
            return await self._has_note(written.record)
        except DeliveryFailed:
            return None

    async def _has_note(self, record: Record) -> bool | None:
        """Whether the note is among the record's; None if none of them are shown to the user."""
        notes = await self.client.notes(record.sys_id)
        return mark(self.id) in notes if notes else None

    def _receipt(self, written: Written, remarks: list[str], *, confirmed: bool) -> Receipt:
        said = "\n".join(filter(None, [body_for_record(written.reply), *remarks]))
        reference = reference_to(written.record, self.config)
        return Receipt(confirmed, written.reply.status, reference, said)

    def _done(self, why: str, record: Record) -> Receipt:
        """Nothing had to be sent, as the instance shows that it was done before."""
        return Receipt(True, reference=reference_to(record, self.config), response=why)

    def _idle(self, why: str, old: Record | None) -> Receipt:
        """Nothing was sent, as there is nothing that the event could change."""
        reference = reference_to(old, self.config) if old else None
        return Receipt(False, reference=reference, response=why)


def _misconfigured(
    why: str, written: Written | None = None, *, maybe_sent: bool = False
) -> DeliveryFailed:
    status = written.reply.status if written else None
    said = body_for_record(written.reply) if written else ""
    kind = FailureClass.MISCONFIGURED
    return DeliveryFailed(Failure(kind, why, status, maybe_sent=maybe_sent, response=said))
