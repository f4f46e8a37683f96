"""Builds the HTTP application: its routes, and connections to servers for as long as it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

from api import codec, errors, health, metrics
from api import tenancy as tenant
from api.context import Context
from api.errors import PROBLEM_RESPONSE, PROBLEM_SCHEMA
from api.integration import connection_check as integration_testing
from api.integration import integrations as integration
from api.middleware import BodyLimit, CodecOrigin
from api.migration import jobs as migration
from api.migration import records as record
from api.migration import report, upload
from api.migration import templates as template
from api.notification import action_page, inbound
from api.notification import channels as channel
from api.notification import delivery_actions as delivery
from api.notification import notifications as notification
from api.notification import preferences as preference
from api.notification.channel_adoption import adopt_quietly
from domain.json_document import Json
from egress.client import opened
from settings import Settings
from storage.objects.store_factory import object_store
from storage.postgres.database import Database
from storage.secrets.key_check import open_vault
from workflows.connection import connect

_ABOUT = """
Import tickets from other ITSM tools into FireLater, and notify Slack, Teams, PagerDuty and others
about what happens there.

* **Keys.** Send `Authorization: Bearer <API key>` with every request. The key decides the tenant,
  and its role decides what you may do: `admin` may do everything; `operator` may do everything
  except change connections to vendors and manage API keys; `viewer` may read; `notifier` may send
  events.
* **Errors** are RFC 9457 problem details (`application/problem+json`), with a `code` for programs
  and a `detail` for people; `errors` points at each fault. A request without a valid key is
  answered 401, and one that the key's role does not allow 403. An object of another tenant is
  answered 404, as if it did not exist. 503 means that a server or worker that the service needs
  cannot be reached or is too busy: repeat the request later.
* **Repetition.** A request that creates something may have an `Idempotency-Key`: repeated with the
  same key within 24 hours, it has no second effect and gets the first answer, without its secrets.
"""

# Templates before jobs: `/v1/migration/templates` must not be read as a job's id.
_ROUTES = (
    *(health, metrics, tenant, template, upload, migration, report, record),
    *(integration, integration_testing, channel, preference, notification, delivery),
    *(inbound, action_page, codec),
)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Context]:
    """Connect to the servers that requests need.

    Raises if one is not configured or cannot be reached, and ValueError that names an invalid entry
    of EGRESS_ALLOW.
    """
    policy = await opened(settings.egress_allow, settings.own_servers)
    database = Database(settings.database_dsn, settings.database_pool_size)
    try:
        vault = await open_vault(database, settings.secrets_keyring_file)
        async with object_store(settings) as store:
            temporal = await connect(
                settings.temporal_address, settings.temporal_namespace, settings.payload_keyring
            )
            yield Context(database, store, temporal, settings, vault, policy)
    finally:
        await database.close()


class _Application(FastAPI):
    """FastAPI whose OpenAPI document also describes problems."""

    def openapi(self) -> Json:
        schema = super().openapi()
        schema["components"]["schemas"].setdefault("Problem", PROBLEM_SCHEMA)
        return schema


def create_app(settings: Settings) -> FastAPI:
    """The application; it connects to its servers when it starts and disconnects when it stops."""

    def lifespan(app: FastAPI) -> AbstractAsyncContextManager[None]:
        return _lifespan(app, settings)

    app = _Application(
        title="FireLater Integrations",
        version="1",
        description=_ABOUT,
        lifespan=lifespan,
        responses={"default": PROBLEM_RESPONSE},
    )
    errors.install(app)
    app.add_middleware(BodyLimit, streamed="/v1/migration/upload")
    app.add_middleware(metrics.Measured)
    if settings.temporal_ui_url is not None:
        app.add_middleware(CodecOrigin, ui_url=settings.temporal_ui_url)
    for module in _ROUTES:
        app.include_router(module.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI, settings: Settings) -> AsyncIterator[None]:
    """Keep the connections open while the application runs; encrypt old secrets beside it."""
    async with connected(settings) as context:
        app.state.context = context
        adopting = asyncio.create_task(adopt_quietly(context.database, context.vault))
        try:
            yield
        finally:
            adopting.cancel()
            await asyncio.wait([adopting])
