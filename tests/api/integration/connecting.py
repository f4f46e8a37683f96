"""Integrations in the words of the HTTP API."""

from typing import Any

import httpx
from temporalio.client import Client

from tests.service import Tenant
from workflows.connection import connect

PATH = "/v1/integrations"
KEY = "R0UT1NGKEY0FTHETEST00000000004f2"
SECRET = "whsec_c2lnbmluZy1zZWNyZXQtb2YtdGhlLWV4YW1wbGU="


def pagerduty(**changes: Any) -> dict[str, Any]:
    usual = {"name": "pages", "type": "pagerduty", "config": {"integrationKey": KEY}}
    return usual | changes


def webhook(**config: Any) -> dict[str, Any]:
    usual = {"url": "https://example.com/hook?token=t0ken-of-the-test", "secret": SECRET}
    return {"name": "hook", "type": "generic_webhook", "config": usual | config}


async def created(tenant: Tenant, body: dict[str, Any]) -> dict[str, Any]:
    response = await tenant.post(PATH, body)
    assert response.status_code == 201, response.text
    row: dict[str, Any] = response.json()["data"]
    return row


async def patch(tenant: Tenant, id: str, body: Any) -> httpx.Response:
    return await tenant.service.http.patch(f"{PATH}/{id}", json=body, headers=tenant.headers)


async def delete(tenant: Tenant, id: str) -> httpx.Response:
    return await tenant.service.http.delete(f"{PATH}/{id}", headers=tenant.headers)


async def idempotent(tenant: Tenant, path: str, body: Any) -> httpx.Response:
    headers = tenant.headers | {"Idempotency-Key": "once"}
    return await tenant.service.http.post(path, json=body, headers=headers)


def pointers(response: httpx.Response) -> list[str]:
    return [each["pointer"] for each in response.json()["errors"]]


async def temporal(tenant: Tenant) -> Client:
    settings = tenant.service.settings
    return await connect(settings.temporal_address, settings.temporal_namespace, None)


async def everything(tenant: Tenant) -> str:
    """Everything that the database holds about the tenant, as text."""
    tables = await tenant.sql(
        "select schemaname || '.' || tablename from pg_tables where schemaname in ('public', $1)",
        tenant.id.schema,
    )
    rows = [await tenant.sql(f"select t::text from {table[0]} t") for table in tables]
    return "\n".join(row[0] for found in rows for row in found)
