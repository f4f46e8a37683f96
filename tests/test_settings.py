"""Settings that are not valid stop a process with a sentence."""

import pytest

from settings import settings


@pytest.mark.parametrize(
    ("name", "value"),
    [("LOG_LEVEL", "debug"), ("LOG_LEVEL", "ALL"), ("API_PORT", "http"), ("IMPORT_SLOTS", "many")],
)
def test_an_invalid_value_is_named_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=name) as stopped:
        settings.__wrapped__()
    assert value not in str(stopped.value)
