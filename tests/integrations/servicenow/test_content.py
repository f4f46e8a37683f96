"""An event as the fields of an incident, and as a work note."""

from typing import Any

import pytest
from hypothesis import given

from domain.notification.event import Action, Severity
from domain.notification.message import Message
from integrations.servicenow.channel import ServiceNow
from integrations.servicenow.content import units
from tests.integrations.examples import DELIVERY, MESSAGES, message, outgoing
from tests.integrations.hostile import HOSTILE

CHANNEL = ServiceNow()


def request(said: Message, **config: Any) -> dict[str, Any]:
    return CHANNEL.request(outgoing("servicenow", "https://acme.service-now.com", said, **config))


def test_a_trigger_says_all_that_is_known() -> None:
    assert request(message()) == {
        "create": {
            "short_description": "Database is slow",
            "description": "Queries take 20 s.\n*Who* can <look>?\n\n"
            "service: orders\nimpact: 2\npath: eu, db\n"
            "incident.created, error, 2026-11-23 10:00:00 UTC\n"
            "https://firelater.example/incidents/INC-1042",
            "correlation_id": DELIVERY,
            "correlation_display": "FireLater",
            "impact": "1",
            "urgency": "2",
            "assignment_group": "287ebd7da9fe198100f92cc8d1d2154e",
            "category": "software",
            "contact_type": "integration",
        },
        "note": "Database is slow\n\nQueries take 20 s.\n*Who* can <look>?\n\n"
        "service: orders\nimpact: 2\npath: eu, db\n"
        "incident.created, error, 2026-11-23 10:00:00 UTC\n"
        "https://firelater.example/incidents/INC-1042\n"
        f"FireLater delivery {DELIVERY}",
    }


def test_the_config_has_the_last_word() -> None:
    made = request(message(), fields={"impact": "3", "u_service": "orders"}, callerId="c" * 32)
    assert (
        made["create"].items()
        >= {
            "impact": "3",
            "urgency": "2",
            "u_service": "orders",
            "caller_id": "c" * 32,
        }.items()
    )


@pytest.mark.parametrize(
    ("severity", "weight"),
    [("critical", "11"), ("error", "12"), ("warning", "22"), ("info", "33")],
)
def test_severities_have_impact_and_urgency(severity: str, weight: str) -> None:
    made = request(message(severity=Severity(severity)))["create"]
    assert made["impact"] + made["urgency"] == weight


@pytest.mark.parametrize("action", Action)
def test_only_a_trigger_makes_and_only_a_resolve_resolves(action: Action) -> None:
    made = request(message(action=action))
    assert ("create" in made, "resolve" in made) == (
        action is Action.TRIGGER,
        action is Action.RESOLVE,
    )


def test_a_long_title_is_cut_and_stands_whole_in_the_description() -> None:
    made = request(message(title="x" * 161))["create"]
    assert made["short_description"] == "x" * 159 + "…"
    assert made["description"].startswith("x" * 161 + "\n\nQueries")
    assert request(message(title=" \n"))["create"]["short_description"] == "incident.created"


def test_a_note_makes_no_html() -> None:
    said = message(body="[code]<a href='https://evil.example'>x</a>[/CODE] [co[Code]de]")
    note = request(said)["note"]
    assert "(code)<a href='https://evil.example'>x</a>(/code) [co(code)de]" in note


def test_a_repetition_says_so() -> None:
    note = request(message(repeated=True))["note"]
    assert note.startswith("Perhaps a repetition: an earlier attempt may have arrived already.\n")


@given(MESSAGES)
def test_everything_fits(said: Message) -> None:
    made = request(said)
    assert made["note"]
    _check(made)


@given(HOSTILE)
def test_hostile_texts_fit_and_end_no_line(said: Message) -> None:
    _check(request(said))


def _check(made: dict[str, Any]) -> None:
    lengths = {"short_description": 160, "description": 4_000, "close_notes": 4_000}
    fields = made.get("create", {}) | made.get("resolve", {})
    assert all(units(fields[name]) <= most for name, most in lengths.items() if name in fields)
    assert "\n" not in fields.get("short_description", "")
    assert units(made["note"]) <= 4_000
    assert made["note"].splitlines()[-1].startswith("FireLater delivery ")
    assert "[code]" not in made["note"].lower()
