"""PostgreSQL runs under any user, and no other user's folder is changed."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from embedded import CannotStart, postgres
from embedded.child import Child, running
from embedded.os_user import Account, account, namespace_account, separate_account
from embedded.ports import Ports
from embedded.postgres import Postgres
from tests.embedded.processes import alive, family

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of ours that everybody can reach, as /var/lib is."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def in_namespace(_open_folder: Path) -> Callable[[Path], Account]:
    return namespace_account


def separately(open_folder: Path) -> Callable[[Path], Account]:
    return lambda _home: separate_account(open_folder / "firelater" / "data")


@as_root
@pytest.mark.parametrize("way", [in_namespace, separately])
async def test_root_runs_it_as_somebody_else(
    way: Callable[[Path], Callable[[Path], Account]],
    open_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    monkeypatch.setattr(postgres, "account", way(open_folder))
    for _ in range(2):  # the second start finds everything there
        server = Postgres(hidden, Ports(hidden / "ports.json").take("postgres", 0))
        async with running(child := Child(await server.program())):
            await (await asyncpg.connect(server.dsn)).close()
            assert psutil.Process(child.pid).exe().endswith("/postgres")
            pids = family(child.pid)
        assert not any(map(alive, pids))
    assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
    assert hidden.stat().st_uid == 0


@as_root
def test_data_made_in_a_namespace_are_not_forgotten_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    (home := tmp_path / "postgres").mkdir()
    with pytest.raises(CannotStart, match="needs user namespaces"):
        account(home, own_folder=tmp_path / "own")


@as_root
def test_an_ordinary_user_runs_it_directly(open_folder: Path) -> None:
    code = (
        "import asyncio, pathlib\n"
        "from embedded.child import Child, running\n"
        "from embedded.ports import Ports\n"
        "from embedded.postgres import Postgres\n"
        "async def main():\n"
        "    here = pathlib.Path.cwd()\n"
        "    server = Postgres(here, Ports(here / 'ports.json').take('postgres', 0))\n"
        "    async with running(Child(await server.program())):\n"
        "        print('it runs')\n"
        "asyncio.run(main())\n"
    )
    shutil.chown(open_folder, "nobody")
    become = ["setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups"]
    python = next((each for each in _pythons() if _runs([*become, each])), None)
    if python is None:
        pytest.skip(f"no Python {sys.version_info.minor} that an ordinary user may run")
    path = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    command = [*become, python, "-c", code]
    done = subprocess.run(
        command, cwd=open_folder, env=path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "it runs\n", done.stderr


def _pythons() -> Iterator[str]:
    yield sys.executable
    yield f"/usr/bin/python3.{sys.version_info.minor}"


def _runs(python: list[str]) -> bool:
    # Once is no proof: setpriv still has root's capabilities when it looks for the program.
    twice = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    return subprocess.run([*python, "-c", twice], capture_output=True, check=False).returncode == 0
