"""The channels' examples, leading to receivers of this machine."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "channels"


def filled(stem: str, url: str) -> dict[str, Any]:
    """An example, `config` and `options`, its receiver being at `url`."""
    text = (EXAMPLES / f"{stem}.json").read_text().replace("{receiver}", url)
    found: dict[str, Any] = json.loads(text.replace('"{port}"', str(urlsplit(url).port or 443)))
    return found
