"""Recognisable secrets for every channel's config, and the search for their leaks."""

import base64
import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_letters, digits
from typing import Any
from urllib.parse import quote

from google.protobuf.json_format import MessageToDict
from temporalio.client import Client

from integrations import CHANNELS
from integrations.channel import secret_names
from tests.integrations.examples import STEMS, example, kind_of

# Where the examples have no place for a secret.
_FURTHER: dict[str, dict[str, Any]] = {
    "generic_webhook": {"previousSecrets": {"2099-01-01T00:00:00Z": "whsec_" + "A" * 40}},
    "opsgenie": {"webhookSecret": "WebhookSecretOfTheExample"},
}
# Other ways to connect than the examples', by a name that begins with the example's.
_OTHER_WAYS: dict[str, dict[str, Any]] = {
    "email (with a token)": {"password": None, "accessToken": "ya29.AccessTokenOfTheExample"},
    "servicenow (with a key)": {
        "username": None,
        "password": None,
        "apiKey": "ServiceNowKeyOfTheExample",
    },
    "servicenow (asks for tokens)": {
        "username": None,
        "password": None,
        "clientId": "a-client-of-the-example",
        "clientSecret": "ServiceNowSecretOfTheExample",
        "refreshToken": "ServiceNowRefreshTokenOfTheExample",
    },
    "jira (of a service account)": {
        **{"email": None, "apiToken": None, "cloudId": "an-id", "clientId": "an-id"},
        "clientSecret": "ATOA-ClientSecretOfTheExample",
        "tokenUrl": "{receiver}/oauth/token",
        "gatewayUrl": "{receiver}/ex/jira",
    },
    "jira_datacenter (with a password)": {
        **{"personalAccessToken": None, "username": "firelater"},
        "password": "a-jira-PasswordOfTheExample",
    },
}
ASKING = "email (asks for tokens)"
_LONG = (re.compile("[A-Za-z0-9]{16,}"), re.compile("[A-Za-z0-9-]{16,}"))


@dataclass(slots=True)
class Canaries:
    """One value for each secret, all with one `mark` in them, by which they are searched for."""

    mark: str = field(default_factory=lambda: _letters(12))
    values: list[str] = field(default_factory=list)

    def like(self, secret: str) -> str:
        """Another secret of the same form, with another last long word."""
        word = next(found[-1] for each in _LONG if (found := list(each.finditer(secret))))
        number = f"{len(self.values):02}"
        value = (self.mark + number + _letters(99))[: len(word[0])]
        self.values.append(value)
        return secret[: word.start()] + value + secret[word.end() :]

    def within(self, found: bytes) -> list[str]:
        """The surroundings of each canary in the content, in any encoding."""
        hits = (hit for form in _forms(self.mark) for hit in re.finditer(re.escape(form), found))
        return [repr(found[max(hit.start() - 80, 0) : hit.end() + 80]) for hit in hits]


def _letters(count: int) -> str:
    return "".join(random.choices(ascii_letters + digits, k=count))


def _forms(mark: str) -> set[bytes]:
    """In base64 it looks otherwise depending on where it stands; its letters need no escapes."""
    raw = mark.encode()
    shifted = (base64.b64encode(bytes(before) + raw).decode() for before in range(3))
    inside = [text[4 if before else 0 : 16] for before, text in enumerate(shifted)]
    twice = base64.b64encode(raw)
    return {raw, raw.hex().encode(), twice, *(each.encode() for each in inside)} | {
        quote(mark).encode()
    }


@dataclass(frozen=True, slots=True)
class Connection:
    """An integration to be made; `secrets` are its secret fields."""

    kind: str
    config: dict[str, Any]
    secrets: frozenset[str]

    @property
    def quoted(self) -> str:
        """All secrets that a vendor is shown, for receivers that quote them."""
        return " ".join(text for name in sorted(self.secrets) for text in _texts(self.config[name]))


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value.values())


KINDS = {stem: kind_of(stem) for stem in STEMS if kind_of(stem)}
NAMES = [*KINDS, *_OTHER_WAYS]  # of connections


def connection(canaries: Canaries, name: str, url: str) -> Connection:
    """An example of a channel with other secrets, leading to the receiver at `url`."""
    stem = name.partition(" (")[0]
    more = _OTHER_WAYS.get(name) or _FURTHER.get(stem, {})
    led = {
        key: value.replace("{receiver}", url) if isinstance(value, str) else value
        for key, value in more.items()
    }
    return _replacing(canaries, KINDS[stem], example(stem, url)["config"] | led)


def asking(canaries: Canaries, url: str, token_url: str) -> Connection:
    """Mail to the server at `url`, with access tokens from another."""
    tokens = {
        "tokenUrl": f"{token_url}/token",
        "clientId": "an-application",
        "clientSecret": "ClientSecretOfTheExample",
        "refreshToken": "1//0a-RefreshTokenOfTheExample",
        "password": None,
    }
    return _replacing(canaries, "email", example("email", url)["config"] | tokens)


def _replacing(canaries: Canaries, kind: str, config: dict[str, Any]) -> Connection:
    given = {key: value for key, value in config.items() if value is not None}
    secret = secret_names(CHANNELS[kind].config) & given.keys()
    replaced = {key: _replaced(canaries, given[key]) for key in sorted(secret)}
    return Connection(kind, given | replaced, frozenset(secret))


def _replaced(canaries: Canaries, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(canaries, inner) for key, inner in value.items()}
    return canaries.like(value)


async def histories(temporal: Client) -> str:
    """Everything that Temporal tells of any workflow, its payloads decoded."""
    found = []
    async for each in temporal.list_workflows():
        handle = temporal.get_workflow_handle(each.id, run_id=each.run_id)
        history = await handle.fetch_history()
        described = (await handle.describe()).raw_description
        for message in (*history.events, described):
            found.append(json.dumps(_decoded(MessageToDict(message))))
    return "\n".join(found)


def _decoded(value: Any) -> Any:
    match value:
        case {"data": str(data), "metadata": _}:
            return {**value, "data": base64.b64decode(data).decode(errors="replace")}
        case dict():
            return {name: _decoded(inner) for name, inner in value.items()}
        case list():
            return [_decoded(each) for each in value]
    return value


def on_disk(folder: Path) -> dict[str, bytes]:
    """Every file: the database as it is written, stored objects, Temporal's store, logs."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in _files(folder)}


def _files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()]
