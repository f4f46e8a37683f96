"""Which servers `firelater up` starts: those that the settings do not name; and the API's URL."""

from pathlib import Path

import pytest

from embedded.plan import Options, own_servers
from embedded.ports import Ports
from embedded.services import api_url
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


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("api.example", "http://api.example:8080"),
    ],
)
def test_the_url_of_the_api_can_be_called(host: str, url: str) -> None:
    assert api_url({"API_HOST": host, "API_PORT": "8080"}) == url
