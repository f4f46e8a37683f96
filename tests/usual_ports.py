"""Ports of its own for each stack: others on this machine may start at the same moment."""

import json
from pathlib import Path

from embedded import postgres, s3, temporal
from embedded.ports import Ports
from settings import Settings

_USUAL = {
    "api": Settings().api_port,
    "postgres": postgres.USUAL_PORT,
    "temporal": temporal.USUAL_PORT,
    "temporal_ui": temporal.USUAL_UI_PORT,
    "s3": s3.USUAL_PORT,
}


def leave_usual_ports(data_dir: Path) -> None:
    """Have the stack of a new data directory take other ports than the usual ones, and keep them:
    also while a server of it is down, nobody else wants those."""
    file = data_dir / "ports.json"
    if file.exists():
        return
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    ports = Ports(data_dir / "spare.json")
    kept = {f"{name}:{port}": ports.take(name, 0) for name, port in _USUAL.items()}
    file.write_text(json.dumps(kept))
