"""docs/notification.md describes every type of integration and every field of its config."""

import re
from pathlib import Path

import pytest

from integrations import CHANNELS
from integrations.channel import ChannelConfig, names_of

TEXT = (Path(__file__).parents[2] / "docs" / "notification.md").read_text()


@pytest.mark.parametrize("kind", CHANNELS)
def test_every_field_is_described(kind: str) -> None:
    parts = re.split(r"\n##+ ", TEXT)
    [section] = [part for part in parts if part.startswith(f"`{kind}`\n")]
    shared = names_of(ChannelConfig)
    fields = names_of(CHANNELS[kind].config) - shared
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", section, re.MULTILINE))))
    assert told == fields


def test_what_all_take_is_described() -> None:
    for field in ChannelConfig.model_fields.values():
        assert f"`{field.alias}`" in TEXT
