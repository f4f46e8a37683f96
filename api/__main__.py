"""Runs the API: `python -m api`."""

import sys

from api.app import create_app
from api.server import Server
from collector import spare_loaded
from egress.log_levels import quieten
from settings import settings

_NOT_STARTED = 3  # the exit status; uvicorn's own command uses the same


def main() -> None:
    chosen = settings()
    quieten()
    server = Server(
        create_app(chosen),
        host=chosen.api_host,
        port=chosen.api_port,
        log_level=chosen.log_level.lower(),
    )
    spare_loaded()
    try:
        server.run()
    except KeyboardInterrupt:
        return
    if not server.started:
        sys.exit(_NOT_STARTED)


if __name__ == "__main__":
    main()
