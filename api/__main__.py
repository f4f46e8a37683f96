"""Runs the API: `python -m api`."""

import uvicorn

from api.app import create_app
from channels.quiet import quieten
from settings import settings


def main() -> None:
    chosen = settings()
    quieten()
    uvicorn.run(
        create_app(chosen),
        host=chosen.api_host,
        port=chosen.api_port,
        log_level=chosen.log_level.lower(),
        access_log=False,
        timeout_graceful_shutdown=30,
    )


if __name__ == "__main__":
    main()
