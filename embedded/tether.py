"""Runs a command that cannot outlive its parent: `tether.py SIGNAL PARENT COMMAND…`.

The kernel sends SIGNAL to the command when the parent ends, however it ends (PR_SET_PDEATHSIG,
prctl(2)). This is a program of its own, as a `preexec_fn` may deadlock in a parent with threads. It
replaces itself by the command, which so keeps the process id. On systems other than Linux the
command may outlive its parent.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """The command line that runs `command` tethered to this process."""
    python = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    return [*python, str(int(death_signal)), str(os.getpid()), *command]


def main() -> None:
    death_signal, parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != int(parent):
        sys.exit("the parent ended first")
    # Python ignores SIGPIPE, and an ignored signal stays ignored after exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606  # a shell is what we do not want
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
