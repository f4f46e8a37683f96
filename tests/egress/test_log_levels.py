"""Libraries' log lines with URLs and headers of requests are not written."""

import logging

import pytest

from egress.log_levels import quieten


@pytest.mark.parametrize(
    "name",
    ["httpx", "httpcore.http11", "aiohttp.client", "slack_sdk.web.async_client", "aiosmtplib"],
)
def test_libraries_that_talk_to_vendors_are_quiet_at_any_level(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        quieten()
        logging.getLogger(name).info("HTTP Request: POST https://hooks.slack.com/services/secret")
        logging.getLogger(name).warning("heard")
    assert caplog.messages == ["heard"]
