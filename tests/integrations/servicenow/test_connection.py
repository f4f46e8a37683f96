"""The connection test: what it proves, what it says it does not, and that it makes nothing."""

from typing import Any

import pytest

from domain.integration.outcome import Check, FailureClass
from tests.integrations.examples import outgoing
from tests.integrations.servicenow.instance import Instance
from tests.integrations.servicenow.test_login import KEY, OAUTH

M = FailureClass.MISCONFIGURED


async def checks_of(instance: Instance, **config: Any) -> dict[str, Check]:
    going = outgoing("servicenow", instance.receiver.url, **config)
    found = await instance.channel.test(going.config, instance.out)
    return {check.name: check for check in found}


@pytest.mark.parametrize("login", [{}, KEY, OAUTH])
async def test_a_good_connection_makes_nothing(instance: Instance, login: dict[str, Any]) -> None:
    await instance.begin()
    checks = await checks_of(instance, **login)
    assert list(checks) == ["login and table", "fields that are read", "search by correlation_id"]
    assert all(check.ok for check in checks.values())
    assert "Not proved: the right to create" in checks["login and table"].detail
    assert (len(instance.receiver.incidents), instance.calls.count("PATCH")) == (1, 0)


async def test_an_empty_table_proves_less(instance: Instance) -> None:
    [check] = (await checks_of(instance)).values()
    assert (check.ok, "shows no record of incident" in check.detail) == (True, True)


@pytest.mark.parametrize("hidden", ["state", "correlation_id", "work_notes"])
async def test_a_field_that_may_not_be_read_is_named(instance: Instance, hidden: str) -> None:
    await instance.begin()
    instance.receiver.unreadable = {hidden}
    checks = await checks_of(instance)
    check = checks["fields that are read"]
    assert (check.ok, check.kind) == (False, M)
    assert check.detail.startswith(f"let the user read {hidden}: without it,")
    assert checks["search by correlation_id"].ok is (hidden != "correlation_id")


async def test_a_wrong_login_ends_it(instance: Instance) -> None:
    checks = await checks_of(instance, password="wrong")
    assert [(check.ok, check.kind) for check in checks.values()] == [(False, M)]


async def test_a_hibernating_instance_is_described(instance: Instance) -> None:
    instance.receiver.mood = "hibernating"
    [check] = (await checks_of(instance)).values()
    assert (check.kind, "wake it at developer.servicenow.com" in check.detail) == (M, True)
