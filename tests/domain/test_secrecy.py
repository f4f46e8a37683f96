"""Which parts of a secret field are secret, and which are ordinary words."""

import random
import time
from base64 import b64encode, urlsafe_b64encode
from string import ascii_letters, ascii_lowercase, digits
from uuid import uuid4

import pytest

from domain.secrecy import is_ordinary, looks_random, secrets_in

WORDS = """
    incidents firelater FireLater notifications production monitoring webhooks services
    IncidentNotifications incident-management eu-west-1 application_monitoring v2beta1 api.v1
    prod-server-01 2026-06-01 acknowledgements workflows invoke HttpTrigger1 oncall
    team-alpha-escalations statuspage_updates INC0012345 123456789012345678
"""


def parts(url: str) -> set[str]:
    return {*secrets_in(url)} - {url}


@pytest.mark.parametrize("word", WORDS.split())
def test_words_in_a_path_are_no_secrets(word: str) -> None:
    assert not looks_random(word)
    for url in (f"https://h.example/{word}", f"https://h.example/a/{word}/b?x={word}#{word}"):
        assert parts(url) == set()
        assert is_ordinary(url)


def made_at_random() -> list[str]:
    one = random.Random(7)
    return [
        *("".join(one.choices(ascii_letters + digits, k=size)) for size in (17, 24, 40) * 50),
        *("".join(one.choices(ascii_lowercase + digits, k=26)) for _ in range(100)),
        *(one.randbytes(16).hex() for _ in range(100)),
        *(b64encode(one.randbytes(24)).decode().replace("/", "") for _ in range(100)),
        *(urlsafe_b64encode(one.randbytes(32)).decode().rstrip("=") for _ in range(100)),
        *(str(uuid4()) for _ in range(50)),
    ]


def test_what_is_made_at_random_is_a_secret_wherever_it_stands() -> None:
    missed = [
        secret
        for secret in made_at_random()
        if not {secret} <= parts(f"https://h.example/hooks/{secret}/run")
        or not {secret} <= parts(f"https://h.example/?x={secret}")
        or is_ordinary(secret)
    ]
    assert missed == []


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://hooks.slack.com/services/T0AB/B0CD/PlainWords", {"T0AB", "B0CD", "PlainWords"}),
        ("https://h.example/run?api-version=2016-06-01&sig=plain&sv=1.0", {"plain"}),
        ("https://h.example/run?Token=plainword", {"plainword"}),
        ("https://h.example/run?access_token=a%2Fb-c", {"a%2Fb-c", "a/b-c"}),
        ("https://f.example/api/Trigger?code=words", {"words"}),
        ("https://chat.example/v1/spaces/AAA/messages?key=plain&threadKey=x", {"plain"}),
        ("https://user:incidents@h.example/x", {"incidents"}),
        ("https://user:in%40cidents@h.example/x", {"in%40cidents", "in@cidents"}),
        ("https://h.example/run?name=production&x", set()),
        ("https://[h.example/", set()),
    ],
)
def test_a_secrets_place_makes_a_secret(url: str, secret: set[str]) -> None:
    assert parts(url) == secret
    if secret:
        assert not is_ordinary(url)


@pytest.mark.parametrize(
    "secret",
    [
        *("incidents", "production", "firelater", "FireLater", "Administrator", "geheim", "über"),
        *("true", "2024", "12345678", "us-east-1", "db-1", "on-call", "web01", "hunter2", "ops"),
    ],
)
def test_what_any_text_may_hold_is_ordinary(secret: str) -> None:
    assert is_ordinary(secret)


@pytest.mark.parametrize(
    "secret",
    [
        *("Sommer2024", "p@ssw0rd", "Sommer!", "correct horse battery", "canary-header", "a=b"),
        *("xK9mQzPw", "QzPwXkLm", "9f86d081", "123456789", "a-mail-password-of-the-example"),
        *("R0UT1NGKEY0FTHEEXAMPLE0000000001", "xoxb-1-2-BotToken", "pneumonoultramicroscopic"),
    ],
)
def test_what_no_text_holds_by_chance_is_not(secret: str) -> None:
    assert not is_ordinary(secret)


@pytest.mark.parametrize("text", ["a", "aB", "a1", "1", "-", "%41", "bcd", "A"])
def test_judging_takes_no_time_whatever_is_judged(text: str) -> None:
    started = time.perf_counter()
    for long in (text * 20_000, text * 20_000 + "!"):
        looks_random(long)
        is_ordinary(long)
        parts(f"https://u:{long}@h.example/{long}?{long}={long}#{long}")
    assert time.perf_counter() - started < 1
