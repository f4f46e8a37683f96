"""Opsgenie: configs that are taken and refused, regions and their URLs."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.notification.severity import Severity
from integrations.opsgenie.config import OpsgenieConfig

KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"


def config(**members: Any) -> OpsgenieConfig:
    return OpsgenieConfig.model_validate({"apiKey": KEY, **members})


@pytest.mark.parametrize(
    ("members", "url"),
    [
        ({}, "https://api.opsgenie.com"),
        ({"region": "eu"}, "https://api.eu.opsgenie.com"),
        ({"region": "jsm"}, "https://api.atlassian.com/jsm/ops/integration"),
        ({"region": "jsm", "baseUrl": "https://proxy.example/jsm/"}, "https://proxy.example/jsm"),
    ],
)
def test_regions_have_their_urls(members: dict[str, Any], url: str) -> None:
    made = config(**members)
    assert (made.base, made.urls()) == (url, (url,))


@pytest.mark.parametrize("name", ["defaultSeverity", "severity"])
def test_the_default_severity_has_two_names(name: str) -> None:
    made = config(**{name: "P2"})
    assert (made.severity, made.model_dump(by_alias=True)["defaultSeverity"]) == ("error",) * 2


def test_priorities_take_any_word_for_a_severity() -> None:
    made = config(priorities={"high": "P1", "info": "P4"})
    assert made.priorities == {Severity.ERROR: "P1", Severity.INFO: "P4"}


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"apiKey": None}, "apiKey"),
        ({"apiKey": "a\r\nX-Evil: 1"}, "apiKey"),
        ({"apiKey": "a b"}, "apiKey"),
        ({"apiKey": ""}, "apiKey"),
        ({"region": "ap"}, "region"),
        ({"baseUrl": "https://a.example/?x="}, "baseUrl"),
        ({"priorities": {"info": "P6"}}, "priorities"),
        ({"priorities": {"urgently": "P1"}}, "priorities"),
        ({"responders": [{"type": "group", "id": "g"}]}, "responders"),
        ({"responders": [{"type": "team"}]}, "responders"),
        ({"responders": [{"type": "team", "id": "1", "name": "a"}]}, "responders"),
        ({"responders": [{"type": "team", "name": ""}]}, "responders"),
        ({"responders": [{"type": "team", "id": "1"}] * 51}, "responders"),
        ({"tags": ["x" * 51]}, "tags"),
        ({"tags": ["x"] * 21}, "tags"),
        ({"entity": ""}, "entity"),
        ({"source": "x" * 101}, "source"),
        ({"integrationKey": KEY}, "integrationKey"),
    ],
)
def test_configs_that_cannot_work_are_refused(members: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as raised:
        config(**members)
    assert {error["loc"][0] for error in raised.value.errors()} == {place}
    assert KEY not in str(raised.value)
