"""Which servers `firelater up` starts: those that the settings do not name."""

from pathlib import Path

import pytest

from embedded.plan import Options, own_servers
from embedded.ports import Ports
from settings import Settings


@pytest.mark.parametrize(
    ("settings", "starts"),
    [
        (Settings(s3_endpoint=None, s3_bucket=None), True),
        (Settings(s3_endpoint=None, s3_bucket="at-aws"), False),
        (Settings(s3_endpoint="http://127.0.0.1:9", s3_bucket="here"), False),
    ],
    ids=["nothing named", "a bucket at AWS", "a server"],
)
def test_an_s3_server_is_started_if_none_is_named(
    tmp_path: Path, settings: Settings, starts: bool
) -> None:
    options = Options(tmp_path, tmp_path / "ready.json", workers=1, storage="s3")
    servers = own_servers(options, settings, Ports(tmp_path / "ports.json"))
    assert ("s3" in servers) is starts
