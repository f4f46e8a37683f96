"""Records hold no secret: not literally, not encoded, not under a secret's name."""

import base64
import html
import json
import time
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.redaction import REDACTED, Redactor, is_secret_name

SLACK = "https://hooks.slack.com/services/T00000000/B00000000/cAnArY24charsLongAbcdefg"
SECRETS: dict[str, Any] = {
    "webhookUrl": SLACK,
    "apiToken": 'canary/to+ken="ü&',
    "headers": {"X-Key": "canary-header", "X-Version": "2"},
}


def encodings(secret: str) -> list[str]:
    raw = secret.encode()
    return [
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
    ]


class TestByValue:
    @given(
        secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=60),
        around=st.tuples(st.text("xyz ", max_size=5), st.text("xyz ", max_size=5)),
    )
    def test_no_form_of_a_secret_is_left(self, secret: str, around: tuple[str, str]) -> None:
        assume("://" not in secret)
        redactor = Redactor({"token": secret})
        for form in encodings(secret):
            assume(form not in REDACTED)
            assert form not in redactor.text(around[0] + form + around[1])

    @given(
        secret=st.text(st.characters(codec="ascii"), min_size=12, max_size=40),
        user=st.text(st.characters(codec="ascii"), max_size=9),
    )
    def test_a_password_inside_basic_authentication_is_found(self, secret: str, user: str) -> None:
        """All but the few characters at its ends that depend on its neighbours."""
        sent = base64.b64encode(f"{user}:{secret}".encode()).decode()
        left = Redactor({"password": secret}).text(f"got {sent}")
        assert REDACTED in left
        assert len(left) < len("got ") + len(REDACTED) + len(sent) - len(secret)

    def test_everything_else_stays(self) -> None:
        text = "invalid_auth at https://hooks.slack.com, version 2: no_service"
        assert Redactor(SECRETS).text(text) == text

    @pytest.mark.parametrize("part", ["T00000000", "B00000000", "cAnArY24charsLongAbcdefg"])
    def test_the_parts_of_a_secret_url_are_secrets(self, part: str) -> None:
        assert Redactor(SECRETS).text(f"no team {part}.") == f"no team {REDACTED}."

    def test_the_whole_is_replaced_before_its_parts(self) -> None:
        assert Redactor(SECRETS).text(f"POST {SLACK}") == f"POST {REDACTED}"

    def test_the_credentials_of_any_url_are_secrets(self) -> None:
        text = "connect smtp://user:pa55@mail.example.com:25/x?a=b@c and http://example.com:80/@a"
        assert Redactor({}).text(text) == (
            f"connect smtp://{REDACTED}@mail.example.com:25/x?a=b@c and http://example.com:80/@a"
        )

    def test_json_is_searched_at_any_depth(self) -> None:
        answer = {"a": [{"echo": f"x canary-header {SLACK}"}], "canary-header": 1, "n": None}
        assert Redactor(SECRETS).value(answer) == {
            "a": [{"echo": f"x {REDACTED} {REDACTED}"}],
            REDACTED: 1,
            "n": None,
        }


MAIL = Redactor({"password": "incidents"})
HOOK = Redactor({"url": "https://h.example/api/firelater/incidents?token=t0k-en-of-it"})


class TestWords:
    """A secret that is a word is hidden where credentials occur, and shown in other text."""

    @pytest.mark.parametrize(
        "text",
        [
            "Two incidents on db-1",
            "incidents",
            "<incidents-1042@mail.example>",
            "https://acme.example/incidents/7?next=incidents",
            "Login: see incidents. No password, no secret.",
            "Password incidents rise",  # names none, and says none
        ],
    )
    @pytest.mark.parametrize("redactor", [MAIL, HOOK])
    def test_what_was_sent_is_shown(self, redactor: Redactor, text: str) -> None:
        assert redactor.sent(text) == text
        assert redactor.request({"title": text, text: [text]}) == {"title": text, text: [text]}

    @pytest.mark.parametrize(
        "text",
        [
            "535 5.7.8 password 'incidents' is wrong",
            '{"password":"incidents"}',
            "pwd=incidents&user=x",
            "Your password is incidents",
            "token: incidents",
            "smtp://mailer:incidents@mail.example",
            base64.b64encode(b"\0mailer\0incidents").decode(),
        ],
    )
    def test_where_it_is_given_as_a_credential_it_is_hidden(self, text: str) -> None:
        for shown in (MAIL.sent(text), MAIL.text(text), MAIL.text(text, sent="incidents")):
            assert REDACTED in shown
            assert "incidents" not in shown
            assert base64.b64encode(b"incidents").decode()[4:] not in shown

    def test_in_an_answer_it_is_hidden_but_where_the_answer_repeats_what_was_sent(self) -> None:
        answer = "no such user: incidents"
        assert MAIL.text(answer) == f"no such user: {REDACTED}"
        assert MAIL.text(answer, sent='{"subject": "Two incidents"}') == answer

    def test_under_a_secrets_name_it_is_hidden_and_what_else_goes_by_that_name_is_not(self) -> None:
        metadata = {"password": "incidents", "token": "ab", "apiKey": "of the event itself"}
        assert MAIL.request(metadata) == metadata | {"password": REDACTED}

    @pytest.mark.parametrize("redactor", [Redactor({}), MAIL, HOOK, Redactor(SECRETS)])
    def test_an_event_has_the_same_record_whatever_else_is_in_it(self, redactor: Redactor) -> None:
        event = {"token": "ab", "secret": ["x"], "title": "[firelater] incidents of hooks"}
        assert redactor.request(event) == event
        both = redactor.request(event | {"found": "t0k-en-of-it canary-header"})
        assert {name: both[name] for name in event} == event


class TestUrls:
    def test_words_of_a_secret_url_are_none_anywhere(self) -> None:
        answer = '{"service": "firelater", "error": "no incidents", "api": "/api/firelater"}'
        assert HOOK.text(answer) == answer

    def test_its_token_is_one_everywhere(self) -> None:
        for show in (HOOK.text, HOOK.sent):
            assert show("got t0k-en-of-it") == f"got {REDACTED}"
            assert "t0k" not in show("https://h.example/api/firelater/incidents?token=t0k-en-of-it")

    def test_a_url_without_a_secret_is_hidden_in_answers_only(self) -> None:
        plain = Redactor({"url": "https://acme.example/incidents"})
        link = "see https://acme.example/incidents/INC-1"
        assert plain.sent(link) == link
        assert plain.text(link) == f"see {REDACTED}/INC-1"

    @pytest.mark.parametrize(
        "text",
        [
            '{"url":"http://a.example","mail":"ops@acme.example"}',
            "see <http://a.example>:ops@acme.example",
            "http://a.example/x:y@z",
            "a:b@c.example",
        ],
    )
    def test_what_only_looks_like_credentials_stays(self, text: str) -> None:
        assert Redactor({}).text(text) == Redactor({}).sent(text) == text

    @pytest.mark.parametrize(
        "text", ["x://u:pw@h", "https://:pw@h/", r'"https:\/\/u:pw@h.example\/"', "s3://a:pw%40@h"]
    )
    def test_credentials_of_any_url_are_hidden(self, text: str) -> None:
        assert "pw" not in Redactor({}).sent(text)

    def test_hostile_answers_take_no_time(self) -> None:
        redactor = Redactor(SECRETS | {"password": "incidents"})
        started = time.perf_counter()
        for text in (
            "://" * 20_000,
            "://" + ":" * 60_000,
            "password" * 8_000,
            "pwd" + " " * 60_000,
        ):
            redactor.text(text + "@", sent=text)
            redactor.sent(text)
        assert time.perf_counter() - started < 5


class TestByName:
    @pytest.mark.parametrize(
        "name",
        [
            *("Authorization", "Proxy-Authorization", "X-Auth-Token", "token", "botToken"),
            *("Set-Cookie", "cookie", "X-Api-Key", "apiKey", "api_key", "GenieKey", "password"),
            *("smtpPassword", "client_secret", "webhook_url", "webhookUrl", "routing_key"),
            *("integrationKey", "private-key", "credentials"),
        ],
    )
    def test_names_of_secrets(self, name: str) -> None:
        assert is_secret_name(name)
        assert Redactor({}).value({name: "abc"}) == {name: REDACTED}
        assert Redactor({}).value([{name: {"a": 1}}]) == [{name: REDACTED}]

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "dedup_key",
                "key",
                "issueKey",
                "author",
                "title",
                "url",
                "content-type",
                "secretary",
            ),
            *("keyboard", "tokenizer", "token_count", "Retry-After", "authored_by"),
        ],
    )
    def test_names_of_other_things(self, name: str) -> None:
        assert not is_secret_name(name)
        assert Redactor({}).value({name: "abc"}) == {name: "abc"}

    def test_whether_there_is_one_may_be_told(self) -> None:
        assert Redactor({}).value({"token": None, "password": True}) == {
            "token": None,
            "password": True,
        }
