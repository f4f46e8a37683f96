"""Internal servers that EGRESS_ALLOW lists, as known when a URL is saved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from api.app import create_app
from tests.api.integration.connecting import PATH, pointers, webhook
from tests.service import Service, Tenant


@asynccontextmanager
async def allowing(service: Service, allow: str) -> AsyncIterator[httpx.AsyncClient]:
    """The API with another EGRESS_ALLOW, and under a name on its network."""
    named = {"egress_allow": allow, "api_host": "firelater-api", "api_port": 8080}
    app = create_app(service.settings.model_copy(update=named))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as http,
    ):
        yield http


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://wiki.corp:{listed}/hook", None),
        ("http://hooks:{listed}/hook", None),
        ("http://127.0.0.1:{listed}/hook", None),
        ("https://wiki.corp/hook", "local_name"),
        ("https://localhost:{listed}/hook", "local_name"),
        ("http://metadata.google.internal:{listed}/", "local_name"),
        ("http://127.0.0.1:{own}/hook", "blocked_address"),
        ("http://127.0.0.9:{own}/hook", "blocked_address"),
        ("http://firelater-api:8080/hook", "blocked_address"),
        ("http://FireLater-API.:8080/hook", "blocked_address"),
        ("http://firelater-ui:8080/hook", None),
    ],
)
async def test_what_is_known_at_save(
    service: Service, tenant: Tenant, url: str, code: str | None
) -> None:
    own = service.settings.temporal_address.rpartition(":")[2]
    listed = service.receiver_ports[0]
    body = webhook(url=url.format(own=own, listed=listed))
    async with allowing(
        service, f"127.0.0.0/8:{own},127.0.0.1/32:{listed},10.0.0.0/8:8080"
    ) as http:
        response = await http.post(PATH, json=body, headers=tenant.headers)
    assert response.status_code == (201 if code is None else 422), response.text
    if code is not None:
        assert (response.json()["code"], pointers(response)) == (code, ["/config/url"])
