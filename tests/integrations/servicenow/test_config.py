"""Which configs can work, and what the others are told."""

from typing import Any

import pytest
from pydantic import ValidationError

from integrations.channel import Outgoing, secret_names
from integrations.servicenow.channel import ServiceNow
from integrations.servicenow.config import ServiceNowConfig, ServiceNowOptions
from tests.integrations.examples import message, outgoing

BASIC: dict[str, Any] = {
    "instanceUrl": "https://acme.service-now.com",
    "username": "firelater",
    "password": "secret-of-the-test",
}
NO_LOGIN: dict[str, Any] = {"username": None, "password": None}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("https://acme.service-now.com", "https://acme.service-now.com"),
        ("https://ACME.Service-Now.com/", "https://acme.service-now.com"),
        ("https://acme.service-now.com:443", "https://acme.service-now.com"),
        ("https://itsm.acme.example", "https://itsm.acme.example"),
    ],
)
def test_one_instance_has_one_name(given: str, read: str) -> None:
    config = ServiceNowConfig.model_validate(BASIC | {"instanceUrl": given})
    assert (config.instance_url, config.urls()) == (read, (read,))


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"instanceUrl": "acme.service-now.com"}, {"instanceUrl"}),
        ({"instanceUrl": "acme"}, {"instanceUrl"}),
        ({"instanceUrl": "https://acme.service-now.com/nav_to.do?uri=x"}, {"instanceUrl"}),
        ({"instanceUrl": "https://acme.service-now.com/now/nav/ui"}, {"instanceUrl"}),
        ({"instanceUrl": "https://[::1"}, {"instanceUrl"}),
        (NO_LOGIN, {"username", "clientId", "apiKey"}),
        ({"apiKey": "key"}, {"username", "apiKey"}),
        ({"clientId": "id", "clientSecret": "s"}, {"username", "clientId"}),
        ({"password": None}, {"password"}),
        ({"username": None}, {"username"}),
        ({"username": "a:b"}, {"username"}),
        (NO_LOGIN | {"clientId": "id"}, {"clientSecret"}),
        (NO_LOGIN | {"refreshToken": "r"}, {"clientId", "clientSecret"}),
        (NO_LOGIN | {"apiKey": "a b"}, {"apiKey"}),
        ({"assignmentGroup": "Network"}, {"assignmentGroup"}),
        ({"callerId": "jo"}, {"callerId"}),
        ({"table": "Incident"}, {"table"}),
        ({"table": "incident/1"}, {"table"}),
        ({"fields": {"state": "1"}}, {"fields"}),
        ({"fields": {"sys_id": "1"}}, {"fields"}),
        ({"fields": {"correlation_id": "1"}}, {"fields"}),
        ({"fields": {"u_a^b": "1"}}, {"fields"}),
        ({"fields": {"u_a": 1}}, {"fields"}),
        ({"fields": {"u_a": "x" * 4_001}}, {"fields"}),
        ({"fields": {f"u_{number}": "1" for number in range(21)}}, {"fields"}),
        ({"states": {"resolve": "Resolved"}}, {"states"}),
        ({"states": {"solved": 6}}, {"states"}),
    ],
)
def test_configs_that_cannot_work_are_refused(change: dict[str, Any], places: set[str]) -> None:
    with pytest.raises(ValidationError) as raised:
        ServiceNowConfig.model_validate(BASIC | change)
    assert {error["loc"][0] for error in raised.value.errors()} == places
    assert "secret-of-the-test" not in str(raised.value)


def test_a_group_is_asked_for_by_its_sys_id() -> None:
    with pytest.raises(ValidationError, match="Copy sys_id"):
        ServiceNowOptions.model_validate({"assignmentGroup": "Network"})


def test_the_notification_channels_group_has_the_last_word() -> None:
    group = "b" * 32
    going = outgoing("servicenow", "https://acme.service-now.com")
    assert ServiceNow().destination(going) == "287ebd7da9fe198100f92cc8d1d2154e"
    said = Outgoing(message(), going.config, ServiceNowOptions(assignment_group=group))
    assert ServiceNow().destination(said) == group
    assert ServiceNow().request(said)["create"]["assignment_group"] == group


def test_what_is_secret_is_known() -> None:
    names = {"password", "clientSecret", "refreshToken", "apiKey"}
    assert secret_names(ServiceNowConfig) == names
    assert ServiceNowConfig.destinations == {"instanceUrl"}
