"""Keep what libraries log of requests out of our logs: it would show URLs, headers and bodies."""

import logging

_TALKATIVE = ("aiohttp", "aiosmtplib", "httpcore", "httpx", "slack_sdk")


def quieten() -> None:
    """Let the libraries that talk to vendors log from WARNING on, whatever level the rest has."""
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
