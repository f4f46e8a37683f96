"""What children see of our environment: settings come on purpose, surprises do not."""

import os
from pathlib import Path


def of_server(home: Path) -> dict[str, str]:
    """For the servers: their home and nothing of ours, so that no PG* or MINIO_* leaks in."""
    # Temporal's server asks its maker for newer versions unless told not to.
    quiet = {"TEMPORAL_VERSION_CHECK_DISABLED": "1"}
    return {"PATH": os.defpath, "HOME": str(home), "LANG": "C", "TZ": "UTC", **quiet}


def of_service() -> dict[str, str]:
    """For the API and the workers: ours, except that no proxy gets between them and servers.

    What they call for tenants has a proxy of its own, EGRESS_PROXY.
    """
    return {name: value for name, value in os.environ.items() if not _is_proxy(name)}


def _is_proxy(name: str) -> bool:
    return name.lower().endswith("_proxy") and name.upper() != "EGRESS_PROXY"
