"""An environment of its own for a peer, so that its packages do not meet ours."""

import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.report import LeftOut


def installed(home: Path, *packages: str) -> Path:
    """The Python of an environment that has the packages, made the first time.

    Raises LeftOut if they cannot be installed.
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
