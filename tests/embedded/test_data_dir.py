"""The data directory: claimed by one, private, and its ports and secrets stay the same."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from embedded import CannotStart
from embedded.binaries import program_path
from embedded.environment import of_server, of_service
from embedded.files import claimed, kept_keyring, kept_secret
from embedded.ports import Ports
from storage.private_file import write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_is_created_for_us_alone(tmp_path: Path) -> None:
    with claimed(tmp_path / "new" / "var"):
        assert mode(tmp_path / "new" / "var") == 0o700


def test_that_exists_keeps_its_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with claimed(tmp_path):
        assert mode(tmp_path) == 0o755


def test_in_use_is_refused_and_free_again_afterwards(tmp_path: Path) -> None:
    with (
        claimed(tmp_path),
        pytest.raises(CannotStart, match="in use by another"),
        claimed(tmp_path, patience=0),
    ):
        pytest.fail("claimed twice")
    with claimed(tmp_path, patience=0):
        pass


def test_stays_claimed_until_the_last_child_is_gone(tmp_path: Path) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    with claimed(tmp_path) as lock:
        child = subprocess.Popen(sleep, pass_fds=[lock])
    with child:
        with pytest.raises(CannotStart), claimed(tmp_path, patience=0):
            pytest.fail("claimed although a child runs")
        child.kill()
    with claimed(tmp_path, patience=0):
        pass


def test_that_cannot_be_one_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CannotStart, match=r"cannot use .*/file as data directory: File exists"),
        claimed(tmp_path / "file"),
    ):
        pytest.fail("a file is no directory")


def test_secrets_stay_the_same_and_private(tmp_path: Path) -> None:
    first = kept_secret(tmp_path / "password")
    assert kept_secret(tmp_path / "password") == first
    assert kept_secret(tmp_path / "another") != first
    assert mode(tmp_path / "password") == 0o600
    keys = kept_keyring(tmp_path / "keyring").read_text()
    assert kept_keyring(tmp_path / "keyring").read_text() == keys
    assert mode(tmp_path / "keyring") == 0o600


def test_a_file_is_replaced_whole_even_after_a_crash(tmp_path: Path) -> None:
    (tmp_path / ".ready.json.new").write_text("left by a crash")
    write_private(tmp_path / "ready.json", "{}")
    assert os.listdir(tmp_path) == ["ready.json"]
    assert (tmp_path / "ready.json").read_text() == "{}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_usual_port_is_taken_when_free(tmp_path: Path) -> None:
    usual = free_port()
    assert Ports(tmp_path / "ports").take("api", usual) == usual


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_busy_port_is_avoided_and_the_replacement_kept(tmp_path: Path, address: str) -> None:
    with socket.create_server((address, 0)) as busy:
        usual = busy.getsockname()[1]
        port = Ports(tmp_path / "ports").take("api", usual)
        assert port != usual
    assert Ports(tmp_path / "ports").take("api", usual) == port


def test_two_servers_never_share_a_port(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports")
    assert ports.take("one", usual := free_port()) != ports.take("two", usual)
    assert ports.take("one", usual) == usual


def test_another_usual_port_is_another_wish(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports")
    first, second = ports.take("api", 0), free_port()
    assert first != second
    assert Ports(tmp_path / "ports").take("api", second) == second


def test_a_missing_program_says_how_to_get_it() -> None:
    with pytest.raises(CannotStart, match=r"`no-such-server` is missing; install it with: pip"):
        program_path("no-such-server")


def test_children_see_no_proxy_and_servers_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("PGOPTIONS", "-c fsync=off")
    monkeypatch.setenv("EGRESS_ALLOW", "10.0.0.0/8:443")
    monkeypatch.setenv("EGRESS_PROXY", "http://proxy.example:3128")
    assert "https_proxy" not in of_service()
    assert of_service()["EGRESS_PROXY"] == "http://proxy.example:3128"
    assert of_service()["EGRESS_ALLOW"] == "10.0.0.0/8:443"
    assert not {"https_proxy", "PGOPTIONS"} & of_server(tmp_path).keys()
