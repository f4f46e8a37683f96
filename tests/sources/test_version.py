"""The readers' version follows the code of every room that they are in."""

from sources.version import modules


def test_every_room_counts() -> None:
    found = {f"{path.parent.parent.name}/{path.parent.name}/{path.name}" for path in modules()}
    assert found >= {"readers/csv/records.py", "sources/servicenow/source.py"}
    assert found >= {"domain/values/dates.py", "domain/mapping/columns.py"}
