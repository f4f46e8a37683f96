"""Jira: the life of an alert's issue, on Cloud and on Data Center."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from domain.integration.outcome import FailureClass, Receipt
from domain.notification.event import Action
from domain.notification.message import Latest
from integrations.channel import Existing
from integrations.jira.config import JiraOptions
from receivers.receiver import Reply
from tests.integrations.examples import message, outgoing
from tests.integrations.jira.alert import STEMS, alert, text_of

TRIGGER, ACKNOWLEDGE, RESOLVE = Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE
both = pytest.mark.parametrize("stem", STEMS)


@both
async def test_an_alert_is_one_issue_from_its_trigger_to_its_end(stem: str) -> None:
    async with alert(stem) as a:
        made = await a.send(TRIGGER, delivery_id="d-1")
        assert made.reference == {
            "site": a.receiver.url,
            "id": a.issue.id,
            "key": "OPS-1",
        }
        assert (made.confirmed, made.code) == (True, 201)
        for action, status in ((ACKNOWLEDGE, "In Progress"), (RESOLVE, "Done"), (TRIGGER, "To Do")):
            told = await a.send(action)
            assert (told.confirmed, told.reference) == (True, made.reference)
            assert a.issue.status == status
        assert len(a.issue.comments) == 3
        assert {"firelater", "firelater-d-1"} <= set(a.issue.labels)


@both
async def test_a_new_issue_takes_one_request(stem: str) -> None:
    async with alert(stem) as a:
        await a.send(TRIGGER)
        assert a.calls == ["POST issue"]


@both
async def test_an_issue_says_all_that_is_known(stem: str) -> None:
    async with alert(stem) as a:
        await a.send(TRIGGER)
    fields = a.issue.fields
    assert fields["summary"] == "Database is slow"
    assert fields["issuetype"] == {"name": "Task" if stem == "jira" else "Bug"}
    said = text_of(fields["description"])
    for part in ("Queries take 20 s.", "orders", "incident INC", "incident.created"):
        assert part in said
    assert "Database is slow" not in said
    assert "https://firelater.example/incidents/INC-1042" in str(fields["description"])


async def test_a_priority_is_sent_where_the_config_has_one() -> None:
    async with alert() as a:
        await a.send(TRIGGER, severity="error")
        assert a.issue.fields["priority"] == {"name": "High"}
        a.existing = Existing()
        await a.send(TRIGGER, severity="info")
        assert "priority" not in a.issues[1].fields


async def test_the_config_adds_labels_and_fields_and_names_ids() -> None:
    async with alert(fields={"components": [{"id": "1"}]}, issueType="10002") as a:
        a.project.fields["components"] = ("Components", True)
        await a.send(TRIGGER)
    assert a.issue.fields["components"] == [{"id": "1"}]
    assert a.issue.fields["issuetype"] == {"id": "10002"}
    assert "itsm" in a.issue.labels


@both
@pytest.mark.parametrize("action", [ACKNOWLEDGE, RESOLVE])
async def test_without_an_issue_there_is_nothing_to_change(stem: str, action: Action) -> None:
    async with alert(stem) as a:
        receipt = await a.send(action)
    assert (receipt.confirmed, receipt.reference, a.calls) == (False, None, [])
    assert "nothing to do" in receipt.response


@both
async def test_a_trigger_of_an_open_issue_is_a_comment(stem: str) -> None:
    async with alert(stem) as a:
        await a.send(TRIGGER)
        await a.send(ACKNOWLEDGE)
        a.forget_calls()
        await a.send(TRIGGER, event_type="incident.updated", title="It is worse")
        id = a.issue.id
        assert a.calls == [f"GET issue/{id}", f"POST issue/{id}/comment"]
    assert a.issue.status == "In Progress"
    assert "It is worse" in text_of(a.issue.comments[-1].body)


@both
async def test_a_status_that_is_right_is_left_alone(stem: str) -> None:
    async with alert(stem) as a:
        await a.send(TRIGGER)
        a.issue.status = "Done"
        a.forget_calls()
        assert (await a.send(RESOLVE)).confirmed
        assert not any("transitions" in call for call in a.calls)


@both
async def test_a_late_event_only_comments(stem: str) -> None:
    async with alert(stem) as a:
        await a.send(TRIGGER)
        latest = Latest("incident.updated", "newer", message().created_at + timedelta(hours=1))
        receipt = await a.send(RESOLVE, latest=latest)
    assert receipt.confirmed
    assert a.issue.status == "To Do"
    assert "Late" in text_of(a.issue.comments[0].body)


@both
async def test_a_late_trigger_of_a_resolved_alert_makes_no_issue(stem: str) -> None:
    latest = Latest("incident.resolved", "over", message().created_at)
    async with alert(stem) as a:
        receipt = await a.send(TRIGGER, latest=latest)
        assert (receipt.confirmed, a.issues) == (False, [])
        assert "resolved" in receipt.response
        await a.send(TRIGGER, latest=replace(latest, event_type="incident.updated"))
        assert len(a.issues) == 1


class TestAmbiguity:
    """What may have arrived is looked for before it is made again."""

    @both
    async def test_an_issue_is_not_searched_while_the_index_may_lack_it(self, stem: str) -> None:
        async with alert(stem) as a:
            id = await a.lose(TRIGGER)
            a.existing = replace(a.existing, ago=12.0)
            a.forget_calls()
            found = await a.failure(TRIGGER, delivery_id=id)
            assert a.calls == []
        assert (found.kind, found.maybe_sent) == (FailureClass.TRANSIENT, False)
        assert found.retry_after == pytest.approx(48.0)

    @both
    async def test_an_issue_that_was_made_is_found(self, stem: str) -> None:
        async with alert(stem) as a:
            id = await a.lose(TRIGGER)
            receipt = await a.send(TRIGGER, delivery_id=id)
        assert receipt.reference == {"site": a.receiver.url, "id": a.issue.id, "key": "OPS-1"}
        assert (receipt.confirmed, a.issue.comments) == (True, [])

    @both
    async def test_a_search_that_comes_too_early_makes_a_second_issue(self, stem: str) -> None:
        """Which is what the wait is for."""
        async with alert(stem) as a:
            a.receiver.site.lag = 60.0
            id = await a.lose(TRIGGER)
            await a.send(TRIGGER, delivery_id=id)
        assert len(a.issues) == 2

    @both
    async def test_an_issue_that_was_not_made_is_made(self, stem: str) -> None:
        async with alert(stem) as a:
            a.existing = Existing(maybe_made=("d-7",), ago=61.0)
            await a.send(TRIGGER, delivery_id="d-7")
            assert "firelater-d-7" in a.issue.labels

    @both
    async def test_a_later_event_finds_the_issue_and_goes_on(self, stem: str) -> None:
        async with alert(stem) as a:
            await a.lose(TRIGGER)
            assert (await a.send(RESOLVE)).confirmed
        assert (a.issue.status, len(a.issue.comments)) == ("Done", 1)

    @both
    async def test_the_oldest_issue_counts_not_its_clone(self, stem: str) -> None:
        async with alert(stem) as a:
            await a.lose(TRIGGER)
            site = a.receiver.site
            site.make(a.project, dict(a.issue.fields))
            receipt = await a.send(RESOLVE)
        assert receipt.reference is not None
        assert receipt.reference["key"] == "OPS-1"

    async def test_an_issue_with_other_labels_is_a_strangers(self) -> None:
        """A search that answers with anything must not lead to a stranger's issue."""
        async with alert() as a:
            stranger = a.receiver.site.make(a.project, {"summary": "x", "labels": ["firelater"]})
            a.existing = Existing(maybe_made=("d-7",), ago=61.0)
            known = {"status": {"name": "To Do", "statusCategory": {"key": "new"}}, "labels": []}
            said = {"issues": [{"id": stranger.id, "key": stranger.key, "fields": known}]}
            a.receiver.told.append(Reply(200, json.dumps(said | {"isLast": True})))
            await a.send(TRIGGER, delivery_id="d-7")
        assert len(a.issues) == 2
        assert stranger.comments == []

    async def test_pages_are_read_until_the_last(self) -> None:
        async with alert() as a:
            id = await a.lose(TRIGGER)
            empty = {"issues": [], "isLast": False, "nextPageToken": _token_of_page_one()}
            a.receiver.told.append(Reply(200, json.dumps(empty)))
            await a.send(TRIGGER, delivery_id=id)
        assert len(a.issues) == 1

    @both
    async def test_a_comment_that_was_written_is_found(self, stem: str) -> None:
        async with alert(stem) as a:
            await a.send(TRIGGER)
            id = await a.lose(TRIGGER)
            a.existing = replace(a.existing, maybe_made=())
            for _ in range(3):  # so that a page of comments is too long to be read
                await a.send(TRIGGER, body="x" * 30_000)
            a.existing = replace(a.existing, maybe_made=(id,))
            before = len(a.issue.comments)
            receipt = await a.send(TRIGGER, delivery_id=id)
        assert receipt.confirmed
        assert len(a.issue.comments) == before

    @both
    async def test_a_comment_that_was_not_written_is_written(self, stem: str) -> None:
        async with alert(stem) as a:
            await a.send(TRIGGER)
            a.existing = replace(a.existing, maybe_made=("d-9",), ago=1.0)
            await a.send(RESOLVE, delivery_id="d-9")
        [comment] = a.issue.comments
        assert comment.properties == [{"key": "firelater", "value": {"delivery": "d-9"}}]

    @both
    async def test_what_broke_after_the_transition_goes_on_with_the_comment(
        self, stem: str
    ) -> None:
        async with alert(stem) as a:
            await a.send(TRIGGER)
            id = a.issue.id
            broken = a.receiver.answer

            async def breaking(request: Any, body: bytes) -> Any:
                if request.path.endswith("/comment"):
                    return web.Response(status=502)
                return await broken(request, body)

            a.receiver.answer = breaking  # type: ignore[method-assign]
            found = await a.failure(RESOLVE, delivery_id="d-2")
            a.receiver.answer = broken  # type: ignore[method-assign]
            assert (found.kind, found.maybe_sent) == (FailureClass.TRANSIENT, True)
            a.existing = replace(a.existing, maybe_made=("d-2",), ago=1.0)
            a.forget_calls()
            assert (await a.send(RESOLVE, delivery_id="d-2")).confirmed
            assert a.calls == [
                f"GET issue/{id}",
                f"GET issue/{id}/comment",
                f"POST issue/{id}/comment",
            ]

    async def test_a_success_without_an_issue_may_have_made_one(self) -> None:
        async with alert() as a:
            a.receiver.told.append(Reply(201, "{}"))
            found = await a.failure(TRIGGER)
        assert (found.kind, found.maybe_sent) == (FailureClass.TRANSIENT, True)


class TestGone:
    """Issues that somebody deleted, moved or hid."""

    @both
    async def test_a_deleted_issue_is_made_anew(self, stem: str) -> None:
        async with alert(stem) as a:
            first = await a.send(TRIGGER)
            a.receiver.site.issues.clear()
            second = await a.send(TRIGGER)
        assert first.reference != second.reference
        assert len(a.issues) == 1

    @both
    @pytest.mark.parametrize("action", [ACKNOWLEDGE, RESOLVE])
    async def test_a_deleted_issue_has_nothing_to_change(self, stem: str, action: Action) -> None:
        async with alert(stem) as a:
            await a.send(TRIGGER)
            a.receiver.site.issues.clear()
            receipt = await a.send(action)
        assert (receipt.confirmed, a.issues) == (False, [])
        assert "deleted" in receipt.response

    @both
    async def test_a_project_that_is_hidden_is_no_deletion(self, stem: str) -> None:
        async with alert(stem) as a:
            await a.send(TRIGGER)
            a.project.permissions.clear()
            found = await a.failure(TRIGGER)
            assert found.kind is FailureClass.MISCONFIGURED
            assert "OPS" in found.detail
        assert len(a.issues) == 1

    @both
    async def test_an_old_project_that_is_hidden_gives_way_to_the_new_one(self, stem: str) -> None:
        async with alert(stem) as a:
            await a.send(TRIGGER)
            a.project.permissions.clear()
            a.config = {"projectKey": "WEB"}
            receipt = await a.send(TRIGGER)
        assert receipt.reference is not None
        assert receipt.reference["key"] == "WEB-1"

    @both
    async def test_a_moved_issue_is_found_by_its_id(self, stem: str) -> None:
        async with alert(stem) as a:
            await a.send(TRIGGER)
            a.receiver.site.move(a.issue, a.receiver.site.projects["WEB"])
            receipt = await a.send(RESOLVE)
        assert receipt.reference is not None
        assert receipt.reference["key"].startswith("WEB-9")
        assert a.issue.status == "Done"

    @both
    async def test_a_reference_of_another_site_is_not_used(self, stem: str) -> None:
        async with alert(stem) as a:
            stranger = a.receiver.site.make(a.project, {"summary": "x"})
            reference = {"site": "https://other.example", "id": stranger.id, "key": stranger.key}
            a.existing = Existing(reference)
            await a.send(TRIGGER)
        assert len(a.issues) == 2
        assert stranger.comments == []


async def test_the_channels_options_name_project_and_type() -> None:
    async with alert() as a:
        going = outgoing("jira", a.receiver.url)
        going = replace(going, options=JiraOptions(project_key="web", issue_type="Bug"))
        assert a.channel.destination(going) == "WEB"
        receipt = await a.channel.deliver(going, a.channel.request(going), a.out)
    assert isinstance(receipt, Receipt)
    assert receipt.reference is not None
    assert receipt.reference["key"] == "WEB-1"


async def test_bursts_to_one_issue_are_throttled() -> None:
    async with alert() as a:
        await a.send(TRIGGER)
        for _ in range(20):
            await a.send(TRIGGER)
        found = await a.failure(TRIGGER)
    assert (found.kind, found.retry_after) == (FailureClass.THROTTLED, 2)


def _token_of_page_one() -> str:
    return base64.urlsafe_b64encode(b"page 0").decode()
