"""Invalid integrations: the body, the problem code, and the pointer to the fault."""

from typing import Any

from tests.api.integration.connecting import KEY, pagerduty, webhook


def deep(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(levels):
        inner = {"a": inner}
    return inner


def rate(count: Any) -> dict[str, Any]:
    limit = {"count": count, "seconds": 1}
    return pagerduty(config={"integrationKey": KEY, "rateLimit": limit})


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown type": (pagerduty(type="pigeon"), "unknown_type", "/type"),
    "no name": (pagerduty(name=""), "invalid_request", "/name"),
    "no object": ({"name": "x", "type": "pagerduty", "config": []}, "invalid_request", "/config"),
    "twice": (pagerduty(isActive=True, is_active=True), "invalid_request", "/is_active"),
    "missing key": (pagerduty(config={"region": "eu"}), "config_invalid", "/config/integrationKey"),
    "null for a key": (
        pagerduty(config={"integrationKey": None}),
        "config_invalid",
        "/config/integrationKey",
    ),
    "snake case": (
        pagerduty(config={"integration_key": KEY}),
        "config_invalid",
        "/config/integration_key",
    ),
    "extra key": (
        pagerduty(config={"integrationKey": KEY, "colour": "red"}),
        "config_invalid",
        "/config/colour",
    ),
    "malformed token": (
        pagerduty(config={"integrationKey": "kaputt" * 5}),
        "config_invalid",
        "/config/integrationKey",
    ),
    "no rate": (rate(0), "config_invalid", "/config/rateLimit/count"),
    "never synchronised": (pagerduty(sync_interval=0), "invalid_request", "/sync_interval"),
    "no direction": (pagerduty(sync_direction="up"), "invalid_request", "/sync_direction"),
    "NUL in a name": (pagerduty(name="a\0b"), "invalid_request", "/name"),
    "NUL in a config": (
        pagerduty(config={"integrationKey": KEY, "group": "a\0"}),
        "invalid_request",
        "/config",
    ),
    "NUL in a member": (pagerduty(config={"a\0": 1}), "invalid_request", "/config"),
    "NUL in a secret": (webhook(headers={"X-A": "a\0"}), "invalid_request", "/config"),
    "too deep": (pagerduty(field_mappings=deep(30)), "invalid_request", "/field_mappings"),
    "too large": (
        pagerduty(field_mappings={"a": "b" * 70_000}),
        "invalid_request",
        "/field_mappings",
    ),
    "CR and LF in a header": (
        webhook(headers={"X-A": "a\r\nX-Evil: b"}),
        "config_invalid",
        "/config/headers",
    ),
    "http": (webhook(url="http://example.com/"), "scheme_not_allowed", "/config/url"),
    "a port of no web server": (
        webhook(url="https://example.com:25/"),
        "port_not_allowed",
        "/config/url",
    ),
    "a private address": (webhook(url="https://10.0.0.1/"), "blocked_address", "/config/url"),
    "this machine": (webhook(url="https://127.0.0.1/"), "blocked_address", "/config/url"),
    "a metadata service": (
        webhook(url="https://169.254.169.254/latest/meta-data"),
        "blocked_address",
        "/config/url",
    ),
    "a local name": (webhook(url="https://localhost/"), "local_name", "/config/url"),
    "a user in the URL": (
        webhook(url="https://a:b@example.com/"),
        "userinfo_not_allowed",
        "/config/url",
    ),
    "a private base URL": (
        pagerduty(config={"integrationKey": KEY, "baseUrl": "https://192.168.0.1"}),
        "blocked_address",
        "/config/baseUrl",
    ),
    "a private mail server": (
        pagerduty(type="email", config={"host": "10.0.0.1", "fromAddress": "a@example.com"}),
        "blocked_address",
        "/config/host",
    ),
}
