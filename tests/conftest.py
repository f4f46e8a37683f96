"""Fixtures for every test; the servers are in tests/servers.py."""

from pathlib import Path

import pytest

pytest_plugins = ["tests.servers", "tests.service"]

# Folders whose tests take minutes in whole stacks: they are begun first, else they end last.
_LONG = ("faults", "embedded", "operating")
_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with published specifications and sample data, beside the repository."""
    if not _SHARED.is_dir():
        pytest.skip("needs the published specifications and data in ../shared, which is not here")
    return _SHARED


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "conformance: needs ../shared (set by using shared_dir)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: Path(item.path).parent.name not in _LONG)
    for item in items:
        if "shared_dir" in getattr(item, "fixturenames", ()):
            item.add_marker("conformance")
