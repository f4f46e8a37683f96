"""The environment variables of child processes: only those that are meant for them."""

import os
from pathlib import Path


def of_server(home: Path) -> dict[str, str]:
    """The environment of a server: its home and none of our variables, so that no PG* or MINIO_*
    changes its behaviour."""
    # Otherwise Temporal's server asks its maker over the internet for newer versions.
    quiet = {"TEMPORAL_VERSION_CHECK_DISABLED": "1"}
    return {"PATH": os.defpath, "HOME": str(home), "LANG": "C", "TZ": "UTC", **quiet}


def of_service() -> dict[str, str]:
    """The environment of the API and the workers: ours without proxies, which would stand between
    them and the servers of this machine.

    Calls to vendors use a proxy of their own, EGRESS_PROXY.
    """
    return {name: value for name, value in os.environ.items() if not _is_proxy(name)}


def _is_proxy(name: str) -> bool:
    return name.lower().endswith("_proxy") and name.upper() != "EGRESS_PROXY"
