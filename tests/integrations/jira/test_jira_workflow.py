"""Workflows that differ: other statuses, screens, validators, missing transitions and rights."""

import json

import pytest

from domain.integration.outcome import FailureClass
from domain.notification.event import Action
from receivers.jira.fields import id_of
from receivers.jira.site import RESOLUTIONS, Transition
from receivers.receiver import Reply
from tests.integrations.jira.alert import STEMS, Alert, alert

TRIGGER, ACKNOWLEDGE, RESOLVE = Action.TRIGGER, Action.ACKNOWLEDGE, Action.RESOLVE
both = pytest.mark.parametrize("stem", STEMS)
FIXED = {"id": id_of("Fixed", RESOLUTIONS)}


def done(a: Alert) -> Transition:
    """The transition into Done."""
    found: Transition = a.project.transitions[-1]
    return found


@both
async def test_statuses_are_found_by_their_category(stem: str) -> None:
    async with alert(stem) as a:
        a.project.statuses = {"Offen": "new", "In Arbeit": "indeterminate", "Fertig": "done"}
        a.project.transitions = [
            Transition("5", "anfangen", "In Arbeit", frozenset({"Offen", "Fertig"})),
            Transition("6", "beenden", "Fertig", frozenset({"In Arbeit"})),
            Transition("7", "öffnen", "Offen", frozenset({"Fertig"})),
        ]
        await a.send(TRIGGER)
        for action, status in ((ACKNOWLEDGE, "In Arbeit"), (RESOLVE, "Fertig"), (TRIGGER, "Offen")):
            assert (await a.send(action)).confirmed
            assert a.issue.status == status


@both
async def test_the_config_names_statuses(stem: str) -> None:
    statuses = {"acknowledge": "on it", "resolve": "Closed", "reopen": "In Progress"}
    async with alert(stem, statuses=statuses) as a:
        a.project.statuses |= {"On It": "indeterminate", "Closed": "done"}
        a.project.transitions += [Transition("8", "x", "On It"), Transition("9", "y", "Closed")]
        await a.send(TRIGGER)
        for action, status in (
            (ACKNOWLEDGE, "On It"),
            (RESOLVE, "Closed"),
            (TRIGGER, "In Progress"),
        ):
            assert (await a.send(action)).confirmed
            assert a.issue.status == status


@both
async def test_a_named_status_that_cannot_be_reached_is_said(stem: str) -> None:
    async with alert(stem, statuses={"resolve": "Nirvana"}) as a:
        await a.send(TRIGGER)
        receipt = await a.send(RESOLVE)
        assert (receipt.confirmed, len(a.issue.comments)) == (False, 1)
        assert "Nirvana" in receipt.response
        a.issue.status = "Done"
        assert (await a.send(RESOLVE)).confirmed


@both
async def test_without_a_transition_the_comment_comes_all_the_same(stem: str) -> None:
    async with alert(stem) as a:
        a.project.transitions = [Transition("21", "In Progress", "In Progress")]
        await a.send(TRIGGER)
        receipt = await a.send(RESOLVE)
    assert receipt.reference is not None
    assert (receipt.confirmed, receipt.code, len(a.issue.comments)) == (False, 201, 1)
    assert "no transition leads OPS-1 from To Do" in receipt.response


@both
async def test_a_validator_that_refuses_is_said_and_does_not_hold_up_the_comment(stem: str) -> None:
    async with alert(stem) as a:
        done(a).refusal = "All sub-tasks have to be closed first."
        await a.send(TRIGGER)
        receipt = await a.send(RESOLVE)
    assert (receipt.confirmed, a.issue.status, len(a.issue.comments)) == (False, "To Do", 1)
    assert "All sub-tasks have to be closed first." in receipt.response


@both
async def test_a_required_resolution_is_the_first_or_the_one_that_is_named(stem: str) -> None:
    async with alert(stem) as a:
        done(a).fields = {"resolution": True}
        await a.send(TRIGGER)
        assert (await a.send(RESOLVE)).confirmed
        assert a.issue.resolution == FIXED
        a.issue.status = "To Do"
        a.config = {"resolution": "Won't Do"}
        assert (await a.send(RESOLVE)).confirmed
        assert a.issue.resolution == {"name": "Won't Do"}


@both
async def test_an_optional_resolution_is_set_only_if_it_is_named(stem: str) -> None:
    async with alert(stem) as a:
        done(a).fields = {"resolution": False}
        await a.send(TRIGGER)
        await a.send(RESOLVE)
        assert a.issue.resolution is None
        a.issue.status = "To Do"
        a.config = {"resolution": "Fixed"}
        await a.send(RESOLVE)
        assert a.issue.resolution == {"name": "Fixed"}


@both
async def test_other_required_fields_are_named_and_the_config_fills_them(stem: str) -> None:
    async with alert(stem) as a:
        done(a).fields = {"customfield_10042": True}
        await a.send(TRIGGER)
        found = await a.failure(RESOLVE)
        assert found.kind is FailureClass.MISCONFIGURED
        assert "customfield_10042" in found.detail
        assert "transitionFields" in found.detail
        a.config = {"transitionFields": {"customfield_10042": "why", "another": "x"}}
        assert (await a.send(RESOLVE)).confirmed


@both
async def test_a_required_field_that_the_issue_has_already_is_not_asked_for(stem: str) -> None:
    async with alert(stem) as a:
        done(a).fields = {"customfield_10042": True}
        await a.send(TRIGGER)
        a.issue.fields["customfield_10042"] = "set by hand"
        assert (await a.send(RESOLVE)).confirmed


@both
async def test_a_field_that_a_validator_wants_is_a_matter_of_the_config(stem: str) -> None:
    async with alert(stem) as a:
        await a.send(TRIGGER)
        wanted = {"errorMessages": [], "errors": {"customfield_7": "Cause is required."}}
        id = a.issue.id
        a.receiver.told.extend(
            [
                Reply(200, json.dumps(_shown(id))),
                Reply(200, json.dumps(_transitions())),
                Reply(400, json.dumps(wanted)),
            ]
        )
        found = await a.failure(RESOLVE)
    assert found.kind is FailureClass.MISCONFIGURED
    assert "customfield_7: Cause is required." in found.detail


def _shown(id: str) -> object:
    status = {"id": "1", "name": "To Do", "statusCategory": {"key": "new"}}
    return {"id": id, "key": "OPS-1", "fields": {"status": status, "labels": []}}


def _transitions() -> object:
    to = {"id": "3", "name": "Done", "statusCategory": {"key": "done"}}
    return {"transitions": [{"id": "31", "name": "Done", "hasScreen": False, "to": to}]}


@both
async def test_who_may_not_move_issues_is_told_so(stem: str) -> None:
    async with alert(stem) as a:
        await a.send(TRIGGER)
        a.project.permissions.remove("TRANSITION_ISSUES")
        found = await a.failure(RESOLVE)
    assert found.kind is FailureClass.MISCONFIGURED
    assert "Transition issues" in found.detail


@both
async def test_a_conflict_passes(stem: str) -> None:
    async with alert(stem) as a:
        await a.send(TRIGGER)
        a.receiver.told.extend(
            [
                Reply(200, json.dumps(_shown(a.issue.id))),
                Reply(200, json.dumps(_transitions())),
                Reply(409, '{"errorMessages":["Conflict"],"errors":{}}'),
            ]
        )
        found = await a.failure(RESOLVE)
    assert (found.kind, found.maybe_sent) == (FailureClass.TRANSIENT, False)


@both
@pytest.mark.parametrize(("meanwhile", "wanted"), [("Done", None), ("In Progress", "transient")])
async def test_somebody_else_may_move_the_issue_meanwhile(
    stem: str, meanwhile: str, wanted: str | None
) -> None:
    refusal = "Transition id '31' is not valid for this issue."
    async with alert(stem) as a:
        await a.send(TRIGGER)
        a.receiver.told.extend(
            [
                Reply(200, json.dumps(_shown(a.issue.id))),
                Reply(200, json.dumps(_transitions())),
                Reply(400, json.dumps({"errorMessages": [refusal], "errors": {}})),
            ]
        )
        a.issue.status = meanwhile
        if wanted is None:
            assert (await a.send(RESOLVE)).confirmed
        else:
            assert (await a.failure(RESOLVE)).kind == wanted


@both
async def test_an_issue_that_is_deleted_at_this_moment_is_looked_at_again(stem: str) -> None:
    async with alert(stem) as a:
        await a.send(TRIGGER)
        a.receiver.told.append(Reply(200, json.dumps(_shown(a.issue.id))))
        a.receiver.site.issues.clear()
        found = await a.failure(TRIGGER)
    assert (found.kind, found.status) == (FailureClass.TRANSIENT, 404)


@both
async def test_a_screen_too_long_to_be_read_is_tried_as_configured(stem: str) -> None:
    async with alert(stem, transitionFields={"resolution": FIXED}) as a:
        done(a).fields = {"resolution": True, "a" * 70_000: False}
        await a.send(TRIGGER)
        assert (await a.send(RESOLVE)).confirmed
    assert a.issue.resolution == FIXED
