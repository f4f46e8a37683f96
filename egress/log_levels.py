"""Nothing that libraries say of requests gets into logs: it would show URLs, headers, bodies."""

import logging

_TALKATIVE = ("aiohttp", "aiosmtplib", "httpcore", "httpx", "slack_sdk")


def quieten() -> None:
    """The libraries that talk to vendors log from WARNING on, whatever level the rest logs at."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
