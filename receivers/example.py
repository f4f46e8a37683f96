"""The examples of examples/channels, filled in to lead to receivers on this machine."""

import json
from pathlib import Path
from urllib.parse import urlsplit

from receivers.receiver import Json

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "channels"


def filled(stem: str, url: str) -> Json:
    """An example (`config` and `options`) whose receiver is at `url`."""
    text = (EXAMPLES / f"{stem}.json").read_text().replace("{receiver}", url)
    found: Json = json.loads(text.replace('"{port}"', str(urlsplit(url).port or 443)))
    return found
