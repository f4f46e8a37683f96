"""What is kept and shown holds no secret: not as it is, not encoded, not under its name."""

import base64
import html
import json
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
