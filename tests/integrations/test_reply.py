"""Answers that come from no vendor, and the class of undocumented statuses."""

import time

import pytest

from domain.integration.outcome import FailureClass
from egress.client import Reply
from integrations.reply import is_page, undocumented


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE html><title>Sign in</title>",
        "\n <HTML lang=en>",
        "\ufeff<html>",
        "<!-- nginx -->\n<html>",
        '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0">',
        "<head><meta>",
        "<body>",
    ],
)
def test_pages(body: str) -> None:
    assert is_page(Reply(200, {}, body.encode()))


@pytest.mark.parametrize(
    "body", ["", "ok", '{"html": "<html>"}', "<xml><html/></xml>", "<htmlx>", "see <html>", "<!--"]
)
def test_no_pages(body: str) -> None:
    assert not is_page(Reply(200, {"content-type": "text/html"}, body.encode()))


@pytest.mark.parametrize("body", ["<!---->", " ", "<?xml>", "<!-- ", "<!--" + "-" * 400])
def test_looking_takes_no_time(body: str) -> None:
    started = time.perf_counter()
    assert not is_page(Reply(200, {}, body.encode() * (60_000 // len(body))))
    assert time.perf_counter() - started < 1


def test_no_undocumented_status_is_final() -> None:
    found = {status: undocumented(status) for status in range(200, 600)}
    assert FailureClass.PERMANENT not in found.values()
    others = {status: kind for status, kind in found.items() if kind != FailureClass.TRANSIENT}
    assert others == {
        401: FailureClass.MISCONFIGURED,
        403: FailureClass.MISCONFIGURED,
        429: FailureClass.THROTTLED,
    }
