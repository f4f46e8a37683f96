"""Checks API keys: a Bearer key decides the tenant, and its role decides what the caller may do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import InContext
from api.errors import ApiError
from domain.tenant import TenantId
from storage.tenancy import api_keys
from storage.tenancy.api_keys import Principal, Role

_bearer = HTTPBearer(auto_error=False, description="An API key: `fl_…`")

_NO_KEY = "a valid API key is needed: Authorization: Bearer fl_…"

READ: tuple[Role, ...] = ("admin", "operator", "viewer")
OPERATE: tuple[Role, ...] = ("admin", "operator")
ADMIN: tuple[Role, ...] = ("admin",)
NOTIFY: tuple[Role, ...] = ("admin", "operator", "notifier")


async def _principal(
    context: InContext,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """The caller of a request. Raises ApiError 401 without a valid key."""
    found = credentials and await api_keys.resolve(context.database, credentials.credentials)
    if not found:
        raise ApiError("unauthenticated", _NO_KEY)
    return found


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: an API key of a tenant. `slug` is the tenant's short name."""

    key_id: str
    role: Role
    tenant_id: TenantId
    slug: str


def _allow(roles: tuple[Role, ...]) -> Callable[..., Caller]:
    """A dependency that refuses keys of other roles with 403."""
    refusal = f"this request needs a tenant's API key with the role {' or '.join(roles)}"

    def check(principal: Annotated[Principal, Depends(_principal)]) -> Caller:
        if principal.role not in roles or principal.tenant_id is None or principal.slug is None:
            raise ApiError("forbidden", refusal)
        return Caller(principal.key_id, principal.role, principal.tenant_id, principal.slug)

    return check


def _platform(principal: Annotated[Principal, Depends(_principal)]) -> Principal:
    """The holder of the platform's admin key. Raises ApiError 403 for any other key."""
    if principal.role != "platform":
        raise ApiError("forbidden", "this request needs the platform's admin key")
    return principal


Reader = Annotated[Caller, Depends(_allow(READ))]
Operator = Annotated[Caller, Depends(_allow(OPERATE))]
Admin = Annotated[Caller, Depends(_allow(ADMIN))]
Notifier = Annotated[Caller, Depends(_allow(NOTIFY))]
Platform = Annotated[Principal, Depends(_platform)]
