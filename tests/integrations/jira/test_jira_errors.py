"""Jira: its refusals, its logins, and the test of a connection."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.integration.outcome import FailureClass
from domain.notification.event import Action
from integrations.jira.channel import Jira
from receivers.receiver import Reply
from tests.integrations.jira.alert import STEMS, alert

TRIGGER = Action.TRIGGER
both = pytest.mark.parametrize("stem", STEMS)
GONE = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."


def refusal(*messages: str, **errors: str) -> str:
    return json.dumps({"errorMessages": messages, "errors": errors})


@both
@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"projectKey": "NONE"}, "project"),
        ({"issueType": "Epos"}, "issuetype"),
        ({"fields": {"customfield_1": "x"}}, "customfield_1"),
        ({"priorities": {"error": "P1"}}, "priority"),
    ],
)
async def test_what_the_config_gets_wrong_is_named(
    stem: str, config: dict[str, Any], named: str
) -> None:
    options = "issueType" in config and stem == "jira_datacenter"  # its options name another
    async with alert(stem, **config) as a:
        if options:
            a.project.types = ("Task",)
        found = await a.failure(TRIGGER)
    assert found.kind is FailureClass.MISCONFIGURED
    assert f"{named}: " in found.detail
    assert "projectKey" in found.detail


@both
async def test_a_required_field_is_named(stem: str) -> None:
    async with alert(stem) as a:
        a.project.fields["customfield_10011"] = ("Epic Name", True)
        found = await a.failure(TRIGGER)
        assert found.kind is FailureClass.MISCONFIGURED
        assert "Epic Name is required" in found.detail
        a.config = {"fields": {"customfield_10011": "an epic"}}
        await a.send(TRIGGER)


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "said"),
    [
        (401, refusal("Client must be authenticated."), {}, "misconfigured", "expired"),
        (
            403,
            '{"error":"Failed to parse Connect Session Auth Token"}',
            {},
            "misconfigured",
            "token",
        ),
        (403, refusal("XSRF check failed"), {}, "misconfigured", "XSRF"),
        (
            403,
            "<html>",
            {"X-Seraph-LoginReason": "AUTHENTICATION_DENIED"},
            "misconfigured",
            "CAPTCHA",
        ),
        (404, '{"title":"Not Found","status":404}', {}, "misconfigured", "baseUrl"),
        (404, "<html>Not Found</html>", {}, "transient", "web page"),
        (410, refusal(GONE), {}, "misconfigured", "removed"),
        (422, refusal("No workflow"), {}, "misconfigured", "administrators"),
        (200, "<html>Log in</html>", {}, "transient", "web page"),
        (302, "", {"Location": "https://login.example"}, "transient", "302"),
        (500, refusal("Internal server error"), {}, "transient", "500"),
    ],
)
async def test_every_refusal_says_what_can_be_done(
    status: int, body: str, headers: dict[str, str], kind: str, said: str
) -> None:
    async with alert() as a:
        a.receiver.told.append(Reply(status, body, headers))
        found = await a.failure(TRIGGER)
    assert (found.kind, found.status) == (kind, status)
    assert said in found.detail


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"RateLimit-Reason": "jira-quota-tenant-based"}, 3_600, 3_600),
        ({"RateLimit-Reason": "jira-quota-global-based", "Retry-After": "900"}, 900, 900),
        ({"X-RateLimit-Reset": "{}", "RateLimit-Reason": "jira-burst-based"}, 80, 90),
    ],
)
async def test_a_rest_is_as_long_as_jira_says(
    headers: dict[str, str], least: float, most: float
) -> None:
    at = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with alert() as a:
        shown = {name: value.format(at) for name, value in headers.items()}
        a.receiver.told.append(Reply(429, refusal("Rate limit exceeded."), shown))
        found = await a.failure(TRIGGER)
    assert found.kind is FailureClass.THROTTLED
    assert found.retry_after is not None
    assert least <= found.retry_after <= most


async def test_a_read_that_gets_no_answer_has_no_effect() -> None:
    async with alert() as a:
        await a.send(TRIGGER)
        for reply in (Reply(hang=True), Reply(reset=True), Reply(503), Reply(200, "<html>")):
            a.receiver.told.append(reply)
            if reply.reset:  # a read is repeated on a fresh connection
                a.receiver.told.append(reply)
            found = await a.failure(TRIGGER)
            assert (found.kind, found.maybe_sent) == (FailureClass.TRANSIENT, False)


@pytest.mark.parametrize(("answered", "sent"), [(0, False), (1, True)])
async def test_all_calls_of_a_delivery_together_have_a_limit(answered: int, sent: bool) -> None:
    """Less than the delivery's lease, after which somebody else would send it too."""
    async with alert() as a:
        await a.send(TRIGGER)
        a.channel = Jira(seconds=0.3)
        shown = Reply(200, json.dumps(_shown(a.issue.id)))
        a.receiver.told.extend([*[shown] * answered, Reply(hang=True)])
        found = await a.failure(TRIGGER)
    assert (found.kind, found.maybe_sent, found.timed_out) == ("transient", sent, True)
    assert "0.3 s" in found.detail


def _shown(id: str) -> object:
    status = {"name": "To Do", "statusCategory": {"key": "new"}}
    return {"id": id, "key": "OPS-1", "fields": {"status": status}}


async def test_a_search_that_was_removed_is_said() -> None:
    async with alert() as a:
        await a.lose(TRIGGER)
        a.receiver.told.append(Reply(410, refusal(GONE)))
        found = await a.failure(TRIGGER)
    assert found.kind is FailureClass.MISCONFIGURED
    assert "search/jql" in found.detail


async def test_a_full_issue_takes_no_comment() -> None:
    async with alert() as a:
        await a.send(TRIGGER)
        full = refusal("This issue has reached the limit of comments.")
        a.receiver.told.extend([Reply(200, json.dumps(_shown(a.issue.id))), Reply(413, full)])
        found = await a.failure(TRIGGER)
    assert found.kind is FailureClass.PERMANENT


class TestLogins:
    @pytest.mark.parametrize(
        ("stem", "config", "login"),
        [
            ("jira", {}, "Basic {}"),
            ("jira_datacenter", {}, "Bearer PersonalAccessTokenOfTheExample0123456789"),
            (
                "jira_datacenter",
                {"personalAccessToken": None, "username": "jo", "password": "pä:ss"},
                "Basic {}",
            ),
        ],
    )
    async def test_each_is_sent_as_documented(
        self, stem: str, config: dict[str, Any], login: str
    ) -> None:
        async with alert(stem, **config) as a:
            await a.send(TRIGGER)
        [received] = a.receiver.received
        sent = received.headers["Authorization"]
        if "{}" in login:
            name = "firelater@example.com:ATATT" if stem == "jira" else "jo:pä:ss"
            assert base64.b64decode(sent.removeprefix("Basic ")).decode().startswith(name)
        else:
            assert sent == login

    async def test_a_token_with_scopes_goes_through_the_gateway(self) -> None:
        async with alert() as a:
            a.config = {"cloudId": "c-1", "gatewayUrl": f"{a.receiver.url}/ex/jira"}
            receipt = await a.send(TRIGGER)
        assert a.receiver.received[0].path == "/ex/jira/c-1/rest/api/3/issue"
        assert receipt.reference is not None
        assert receipt.reference["site"] == f"{a.receiver.url}/ex/jira/c-1"

    async def test_a_server_may_have_a_context_path(self) -> None:
        async with alert("jira_datacenter") as a:
            a.config = {"baseUrl": f"{a.receiver.url}/jira/"}
            receipt = await a.send(TRIGGER)
        assert a.receiver.received[0].path == "/jira/rest/api/2/issue"
        assert receipt.reference is not None
        assert receipt.reference["site"] == f"{a.receiver.url}/jira"

    async def test_a_service_account_gets_tokens_and_renews_a_refused_one(self) -> None:
        async with alert() as a:
            a.config = {
                "email": None,
                "apiToken": None,
                "cloudId": "c-1",
                "gatewayUrl": f"{a.receiver.url}/ex/jira",
                "clientId": "an-id",
                "clientSecret": "a-secret",
                "tokenUrl": f"{a.receiver.url}/oauth/token",
            }
            await a.send(TRIGGER)
            await a.send(TRIGGER)
            assert a.receiver.tokens == 1
            a.receiver.logins = frozenset({"Bearer token-2"})  # the first was revoked
            await a.send(TRIGGER)
            assert a.receiver.tokens == 2
            a.receiver.logins = frozenset()
            found = await a.failure(TRIGGER)
        assert found.kind is FailureClass.MISCONFIGURED
        assert found.status in (401, 403)

    async def test_a_dead_token_is_no_deletion(self) -> None:
        """Cloud answers 404 to those who are not logged in."""
        async with alert() as a:
            await a.send(TRIGGER)
            a.receiver.told.append(Reply(404, refusal("Issue does not exist or you do not …")))
            a.receiver.told.append(Reply(401, refusal("Client must be authenticated.")))
            found = await a.failure(TRIGGER)
        assert (found.kind, found.status) == (FailureClass.MISCONFIGURED, 401)
        assert len(a.issues) == 1


class TestTesting:
    @both
    async def test_of_a_good_connection_makes_nothing(self, stem: str) -> None:
        async with alert(stem) as a:
            checks = await a.checks()
        assert {name: each.ok for name, each in checks.items()} == {
            "account": True,
            "permissions": True,
            "issue type": True,
        }
        assert "Not proved" in checks["issue type"].detail
        assert a.issues == []
        assert not any("serverInfo" in call for call in a.calls)

    @both
    async def test_of_a_bad_token(self, stem: str) -> None:
        async with alert(stem) as a:
            a.receiver.logins = frozenset()
            checks = await a.checks()
        assert list(checks) == ["account"]
        assert checks["account"].kind is FailureClass.MISCONFIGURED
        assert "another" in checks["account"].detail

    @both
    async def test_of_missing_permissions(self, stem: str) -> None:
        async with alert(stem) as a:
            a.project.permissions -= {"ADD_COMMENTS", "TRANSITION_ISSUES"}
            checks = await a.checks()
        assert not checks["permissions"].ok
        assert "Add comments, Transition issues in the project OPS" in checks["permissions"].detail

    @both
    async def test_of_an_unknown_project(self, stem: str) -> None:
        async with alert(stem, projectKey="NONE") as a:
            checks = await a.checks()
        assert checks["permissions"].kind is FailureClass.MISCONFIGURED

    @both
    async def test_of_an_unknown_issue_type(self, stem: str) -> None:
        async with alert(stem, issueType="Epos") as a:
            checks = await a.checks()
        assert not checks["issue type"].ok
        assert "Task, Bug" in checks["issue type"].detail

    @both
    async def test_of_fields_that_are_missing_or_required(self, stem: str) -> None:
        async with alert(stem) as a:
            del a.project.fields["labels"]
            a.project.fields["customfield_10011"] = ("Epic Name", True)
            checks = await a.checks()
            assert not checks["issue type"].ok
            assert "labels is not on the screen" in checks["issue type"].detail
            assert "Epic Name (customfield_10011) is required" in checks["issue type"].detail

    async def test_of_a_list_that_is_too_long_to_be_read_at_once(self) -> None:
        async with alert() as a:
            a.project.types = (
                "x" * 70_000,
                *(f"type {n} {'x' * 3_000}" for n in range(40)),
                "Task",
            )
            checks = await a.checks()
        assert checks["issue type"].ok

    async def test_of_a_jira_that_is_too_old_for_it(self) -> None:
        async with alert("jira_datacenter") as a:
            for said in ({"displayName": "x"}, _all_permissions()):
                a.receiver.told.append(Reply(200, json.dumps(said)))
            a.receiver.told.append(Reply(404, "<html>"))
            checks = await a.checks()
        assert checks["issue type"].ok
        assert "not proved" in checks["issue type"].detail


def _all_permissions() -> object:
    names = ("BROWSE_PROJECTS", "CREATE_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES")
    return {"permissions": {name: {"havePermission": True} for name in names}}
