"""Jira: what a config may say, and what is told about what it may not."""

from typing import Any

import pytest
from pydantic import ValidationError

from integrations.jira.config import JiraConfig, JiraOptions

CLOUD = {
    "baseUrl": "https://acme.atlassian.net",
    "email": "a@b.example",
    "apiToken": "t",
    "projectKey": "OPS",
}
SERVER = {
    "deployment": "dataCenter",
    "baseUrl": "https://jira.acme.example/jira",
    "personalAccessToken": "t",
    "projectKey": "OPS",
}


def made(config: dict[str, Any], **changes: Any) -> JiraConfig:
    return JiraConfig.model_validate(config | changes)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Acme.Atlassian.net/", "https://acme.atlassian.net"),
        ("HTTPS://acme.atlassian.net", "https://acme.atlassian.net"),
    ],
)
def test_a_site_has_one_name(given: str, kept: str) -> None:
    assert made(CLOUD, baseUrl=given).site == kept


def test_a_context_path_stays_as_it_is() -> None:
    assert (
        made(SERVER, baseUrl="https://X.example/Jira/").api == "https://x.example/Jira/rest/api/2"
    )


def test_a_key_is_written_in_capitals() -> None:
    assert made(CLOUD, projectKey="ops").project_key == "OPS"
    assert JiraOptions.model_validate({"projectKey": "web"}).project_key == "WEB"


@pytest.mark.parametrize(
    ("config", "changes", "place"),
    [
        (CLOUD, {"apiToken": None}, "email"),
        (CLOUD, {"email": None}, "apiToken"),
        (CLOUD, {"personalAccessToken": "t"}, "personalAccessToken"),
        (CLOUD, {"clientId": "c", "clientSecret": "s"}, "apiToken"),
        (CLOUD, {"email": None, "apiToken": None}, "email"),
        (SERVER, {"personalAccessToken": None}, "personalAccessToken"),
        (SERVER, {"username": "jo", "password": "p"}, "password"),
        (SERVER, {"email": "a@b.example", "apiToken": "t"}, "apiToken"),
        (SERVER, {"cloudId": "c-1"}, "cloudId"),
        (
            CLOUD,
            {"email": None, "apiToken": None, "clientId": "c", "clientSecret": "s"},
            "cloudId",
        ),
        (CLOUD, {"baseUrl": "https://acme.atlassian.net/browse/OPS-1"}, "baseUrl"),
        (CLOUD, {"baseUrl": "https://acme.atlassian.net/wiki"}, "baseUrl"),
        (SERVER, {"baseUrl": "https://x.example/jira/secure/Dashboard.jspa"}, "baseUrl"),
        (CLOUD, {"projectKey": "My project"}, "projectKey"),
        (CLOUD, {"projectKey": "OPS-1"}, "projectKey"),
        (CLOUD, {"labels": ["two words"]}, "labels"),
        (CLOUD, {"issueType": "a\nb"}, "issueType"),
        (CLOUD, {"fields": {"summary": "x"}}, "fields"),
        (CLOUD, {"fields": {"x": "y" * 17_000}}, "fields"),
        (CLOUD, {"priorities": {"urgent": "High"}}, "priorities"),
        (CLOUD, {"statuses": {"close": "Done"}}, "statuses"),
    ],
)
def test_what_cannot_be_is_pointed_at(
    config: dict[str, Any], changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        made(config, **changes)
    assert place in {error["loc"][0] for error in raised.value.errors()}


@pytest.mark.parametrize(
    ("config", "change"),
    [
        (CLOUD, {"baseUrl": "https://evil.example"}),
        (CLOUD, {"cloudId": "another"}),
        (CLOUD, {"gatewayUrl": "https://evil.example"}),
        (SERVER, {"baseUrl": "https://evil.example/jira"}),
    ],
)
def test_another_site_asks_for_the_secrets_again(
    config: dict[str, Any], change: dict[str, str]
) -> None:
    made(config, **change)
    assert JiraConfig.destinations >= change.keys()


def test_every_address_is_checked() -> None:
    oauth = {"email": None, "apiToken": None, "clientId": "c", "clientSecret": "s", "cloudId": "c"}
    assert made(CLOUD).urls() == ("https://acme.atlassian.net",)
    assert made(CLOUD, cloudId="c-1").urls() == (
        "https://acme.atlassian.net",
        "https://api.atlassian.com/ex/jira",
    )
    assert made(CLOUD, **oauth).urls()[-1] == "https://auth.atlassian.com/oauth/token"


def test_no_secret_is_shown() -> None:
    config = made(CLOUD, apiToken="hidden-token")
    assert "hidden-token" not in f"{config!r} {config.model_dump_json()} {config.grant}"
