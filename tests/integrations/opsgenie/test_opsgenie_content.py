"""Opsgenie: what alerts and notes say, within the vendor's limits."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.notification.event import Action, Severity
from domain.notification.message import Message
from integrations.opsgenie.content import alias_of
from receivers.opsgenie_content import action_errors, alert_errors
from tests.integrations.examples import MESSAGES, message
from tests.integrations.hostile import HOSTILE
from tests.integrations.opsgenie.sending import ALIAS, LATEST, body, request


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_a_trigger_says_all_that_is_known() -> None:
    assert request() == {
        "action": "create",
        "alias": ALIAS,
        "body": {
            "message": "Database is slow",
            "alias": ALIAS,
            "description": "Queries take 20 s.\n*Who* can &lt;look&gt;?\n\n"
            "https://firelater.example/incidents/INC-1042",
            "responders": [{"type": "team", "name": "platform"}],
            "tags": ["firelater"],
            "details": {
                "event_type": "incident.created",
                "severity": "error",
                "entity_type": "incident",
                "entity_id": "INC-1042",
                "url": "https://firelater.example/incidents/INC-1042",
                "service": "orders",
                "impact": "2",
                "path": '["eu","db"]',
            },
            "entity": "incident INC-1042",
            "source": "FireLater ITSM",
            "priority": "P2",
        },
    }


@pytest.mark.parametrize(
    ("action", "name"), [(Action.ACKNOWLEDGE, "acknowledge"), (Action.RESOLVE, "close")]
)
def test_what_follows_a_trigger_says_what_happened(action: Action, name: str) -> None:
    said = message(action=action, event_type="incident.changed", user_name="Jo <3")
    assert request(said) == {
        "action": name,
        "alias": ALIAS,
        "body": {
            "note": "Database is slow\n\nQueries take 20 s.\n*Who* can &lt;look&gt;?\n\n"
            "user: Jo &lt;3\nservice: orders\nimpact: 2\npath: eu, db\n\n"
            "https://firelater.example/incidents/INC-1042\n\n"
            "incident.changed, 2026-11-23 10:00:00 UTC",
            "source": "FireLater ITSM",
        },
    }


@pytest.mark.parametrize("action", Action)
def test_a_late_event_is_only_a_note_that_says_so(action: Action) -> None:
    made = request(message(action=action, latest=LATEST))
    assert made["action"] == "notes"
    assert made["body"]["note"].startswith("Late: this happened at 2026-11-23 10:00:00 UTC.")
    assert "incident.resolved at 2026-11-23 12:00:00 UTC: It is over" in made["body"]["note"]


@pytest.mark.parametrize(
    ("severity", "priority"),
    [
        (Severity.CRITICAL, "P1"),
        (Severity.ERROR, "P2"),
        (Severity.WARNING, "P3"),
        (Severity.INFO, "P5"),
    ],
)
def test_the_most_urgent_is_p1(severity: Severity, priority: str) -> None:
    assert body(message(severity=severity))["priority"] == priority


def test_the_tenant_may_choose_priorities() -> None:
    chosen = {"priorities": {"info": "P4", "sev1": "P2"}}
    severities = (Severity.CRITICAL, Severity.ERROR, Severity.INFO)
    made = [body(message(severity=each), **chosen)["priority"] for each in severities]
    assert made == ["P2", "P2", "P4"]


def test_the_config_names_responders_tags_entity_and_source() -> None:
    made = body(
        responders=[
            {"type": "user", "name": "jo@acme.example"},
            {"type": "escalation", "id": "e-1"},
            {"type": "schedule", "name": "nights"},
        ],
        tags=["a", "b"],
        entity="db-1",
        source="itsm-eu",
    )
    assert made["responders"] == [
        {"type": "user", "username": "jo@acme.example"},
        {"type": "escalation", "id": "e-1"},
        {"type": "schedule", "name": "nights"},
    ]
    assert (made["tags"], made["entity"], made["source"]) == (["a", "b"], "db-1", "itsm-eu")


def test_what_is_not_known_is_left_out() -> None:
    said = message(entity_type=None, entity_id=None, url=None, body="", facts=(), extra={})
    assert body(said, responders=[], tags=[]) == {
        "message": "Database is slow",
        "alias": ALIAS,
        "details": {"event_type": "incident.created", "severity": "error"},
        "source": "FireLater ITSM",
        "priority": "P2",
    }


def test_details_are_texts_and_the_metadata_has_the_last_word() -> None:
    extra: dict[str, Any] = {"host": "db<1>&", "load": 0.5, "up": True, "none": None, "": "x"}
    said = message(extra={**extra, "entity_id": "INC-7"}, recipient="jo@acme.example", url=None)
    assert body(said)["details"] == {
        "event_type": "incident.created",
        "severity": "error",
        "entity_type": "incident",
        "entity_id": "INC-7",
        "user_email": "jo@acme.example",
        "host": "db<1>&",
        "load": "0.5",
        "up": "true",
    }


def test_details_that_are_too_long_are_cut() -> None:
    said = message(extra={"a": "x" * 7_000, "b": "y" * 7_000, "c": "z"})
    details = body(said)["details"]
    assert details["a"] == "x" * 7_000
    assert details["b"].endswith("y…")
    assert sum(map(len, [*details, *details.values()])) == 8_000


def test_a_title_that_is_too_long_stands_whole_in_the_description() -> None:
    made = body(message(title="x" * 131))
    assert made["message"] == "x" * 129 + "…"
    assert made["description"].startswith("x" * 131 + "\n\nQueries")
    assert body(message(title="x" * 130))["message"] == "x" * 130
    assert body(message(title=" \n"))["message"] == "incident.created"


def test_entities_are_not_cut_in_two() -> None:
    made = body(message(title="<" * 100))["message"]
    assert made == "&lt;" * 32 + "…"


def test_the_link_is_whole_however_long_the_text_is() -> None:
    made = body(message(body="&" * 100_000))["description"]
    assert made.endswith("&amp;…\n\nhttps://firelater.example/incidents/INC-1042")
    assert 14_990 < units(made) <= 15_000


@pytest.mark.parametrize("action", Action)
@given(said=MESSAGES | HOSTILE)
@example(said=message(title="&" * 1_000, body="😀" * 100_000, url=f"https://a.example/{'&' * 970}"))
def test_the_vendor_takes_every_request(action: Action, said: Message) -> None:
    made = request(replace(said, action=action))
    errors = (
        alert_errors(made["body"])
        if action is Action.TRIGGER
        else action_errors(made["body"], "close")
    )
    assert errors == {}
    assert units(made["alias"]) <= 512
    json.dumps(made, allow_nan=False)


@given(said=HOSTILE)
def test_no_text_is_markup(said: Message) -> None:
    made = body(replace(said, action=Action.TRIGGER))
    closed = request(replace(said, action=Action.RESOLVE))["body"]
    for text in (made["message"], made.get("description", ""), closed["note"]):
        assert not set("<>") & set(text)
        assert not set("\u202e\u2066\x00") & set(text)
    assert "\n" not in made["message"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), unique=True))
def test_aliases_fit_into_a_path_and_stay_apart(endings: list[str]) -> None:
    keys = [*endings, *("incident_" + "k" * 300 + ending for ending in endings)]
    made = {alias_of(key) for key in keys}
    assert len(made) == len(set(keys))
    assert all(len(alias) <= 512 for alias in made)
    assert not [alias for alias in made if set("/\\%?#;") & set(alias)]


@pytest.mark.parametrize(
    "key", [ALIAS, "störung_12", "019ab0de-0000-7000-8000-00000000000e", "a b"]
)
def test_an_ordinary_key_is_the_alias(key: str) -> None:
    assert alias_of(key) == key


@pytest.mark.parametrize("key", ["incident_a/b", "incident_a%2Fb", "a_..", "x_a ", "事" * 400])
def test_other_keys_are_recognisable(key: str) -> None:
    beginning = key.replace("/", "_").replace("%", "_").rstrip(" .")[:50]
    assert alias_of(key) == key or alias_of(key).startswith(beginning)


def test_the_time_is_that_of_the_event() -> None:
    said = message(action=Action.RESOLVE, created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert "2026-01-02 03:04:05 UTC" in request(said)["body"]["note"]
