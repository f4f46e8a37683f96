"""docs/notification.md tells of every type of integration, and of every field of its config."""

import re
from pathlib import Path

import pytest

from channels import CHANNELS
from channels.channel import ChannelConfig

TEXT = (Path(__file__).parents[2] / "docs" / "notification.md").read_text()


@pytest.mark.parametrize("kind", CHANNELS)
def test_every_field_is_described(kind: str) -> None:
    parts = re.split(r"\n##+ ", TEXT)
    [section] = [part for part in parts if part.startswith(f"`{kind}`\n")]
    config, shared = CHANNELS[kind].config, ChannelConfig.model_fields
    fields = {field.alias for name, field in config.model_fields.items() if name not in shared}
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", section, re.MULTILINE))))
    assert told == fields


def test_what_all_take_is_described() -> None:
    for field in ChannelConfig.model_fields.values():
        assert f"`{field.alias}`" in TEXT
