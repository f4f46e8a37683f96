"""The page behind a link in a mail or card, by which somebody acknowledges or resolves an entity.

Mail scanners and previews fetch every link: a GET shows the page and changes nothing. Only its
button, a POST, acts.
"""

from datetime import UTC, datetime
from html import escape
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Form
from fastapi.responses import HTMLResponse

from api.context import Context, InContext
from api.notification.accept_actions import Source, accept_actions
from api.request_workflow import start_accepted
from domain.notification.action_link import ActionLink, BadLink, read
from domain.notification.event import Action, StoredEvent, action
from domain.notification.inbound import VendorAction, changes, state_after
from domain.tenant import TenantId
from integrations import CHANNELS
from integrations.appearance import ACTIONS
from integrations.inbound import Report
from storage.integration import integrations as integration
from storage.notification import inbound
from storage.notification.notifications import Sender
from storage.postgres.database import statements

router = APIRouter(prefix="/v1/actions", tags=["inbound"], include_in_schema=False)

_STATES = {Action.TRIGGER: "open", Action.ACKNOWLEDGE: "acknowledged", Action.RESOLVE: "resolved"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",  # the address of the page is the permission to act
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>FireLater</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 3rem auto }}
button, input {{ font: inherit; padding: .5rem 1rem }}
</style></head><body><main>{content}</main></body></html>
"""
_NAME = '<p><label>Your name <input name="by" maxlength="100" required></label></p>'


@router.get("/{token}")
async def show(token: str, context: InContext) -> HTMLResponse:
    """The page that asks for confirmation."""
    try:
        link = read(context.vault.keyring, token, datetime.now(UTC))
    except BadLink as bad:
        return _page(f"<p>{escape(str(bad))}.</p>", 410)
    told = await _told(context, link)
    if not told:
        return _page("<p>This is no longer known here.</p>", 410)
    title, state = escape(told[-1]["title"]), _state(told)
    about = f"<h1>{_name(told)}</h1><p>{title}</p><p>It is {_STATES[state]}.</p>"
    if not changes(state, Action(link.action)):
        return _page(about)
    name = "" if link.by else _NAME
    button = f"<button>{ACTIONS[Action(link.action)]}</button>"
    return _page(f'{about}<form method="post">{name}{button}</form>')


@router.post("/{token}")
async def act(
    token: str, context: InContext, later: BackgroundTasks, by: Annotated[str, Form()] = ""
) -> HTMLResponse:
    """Do what the link says, once."""
    try:
        link = read(context.vault.keyring, token, datetime.now(UTC))
    except BadLink as bad:
        return _page(f"<p>{escape(str(bad))}.</p>", 410)
    source = await _source(context, link)
    if source is None or not await _told(context, link):
        return _page("<p>This is no longer known here.</p>", 410)
    who = link.by or " ".join(by.split())[:100]
    done = VendorAction(Action(link.action), link.alert_key, who)
    report = Report(f"{link.delivery_id} {link.action}", (done,))
    accepted = await accept_actions(context.database, source, report)
    if accepted.events:
        later.add_task(start_accepted, context.temporal, accepted.request, accepted.events)
    told = await _told(context, link)
    return _page(f"<h1>{_name(told)}</h1><p>It is {_STATES[_state(told)]} now.</p>")


async def _told(context: Context, link: ActionLink) -> list[StoredEvent]:
    async with context.database.tenant(TenantId(link.tenant_id)) as connection:
        sql = await statements(connection)
        return await inbound.events_of(sql, UUID(link.integration_id), link.alert_key)


async def _source(context: Context, link: ActionLink) -> Source | None:
    """The integration that sent the link; None if it was deleted or is switched off."""
    tenant_id, id = TenantId(link.tenant_id), UUID(link.integration_id)
    async with context.database.tenant(tenant_id) as connection:
        row = await integration.find(connection, id)
    channel = CHANNELS.get(row["type"]) if row is not None and row["is_active"] else None
    if channel is None:
        return None
    return Source(tenant_id, id, channel.title, Sender(f"action/{link.delivery_id}"))


def _state(told: list[StoredEvent]) -> Action:
    return state_after(action(each["event_type"]) for each in told) or Action.TRIGGER


def _name(told: list[StoredEvent]) -> str:
    last = told[-1]
    return escape(f"{last['entity_type']} {last['entity_id']}")


def _page(content: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(content=content), status, _HEADERS)
