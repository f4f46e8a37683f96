"""A virtual environment for a tool that we compare with, so that its packages do not mix with
ours."""

import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.report import LeftOut


def installed(home: Path, *packages: str) -> Path:
    """The Python of the virtual environment in `home`, which has the packages; created the first
    time.

    Raises LeftOut if the packages cannot be installed.
    """
    python = home / "bin" / "python"
    made = home / "-".join(name.replace("==", "-") for name in packages)
    if not made.exists():
        venv.create(home, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if subprocess.call([*pip, *packages], stdout=sys.stderr):
            raise LeftOut(f"{packages[0]} cannot be installed here")
        made.touch()
    return python
