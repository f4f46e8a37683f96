#!/bin/sh
# yarl 1.25.1 (aiohttp's URLs): a query's %2F goes out as a slash, and a path's %7E as a tilde.
#
# A URL given to aiohttp as text is read by yarl, which decodes what it deems harmless: of
# `?sp=%2Ftriggers%2Fmanual%2Frun` (the form in which Microsoft signs the URLs of its workflows) the
# server is sent `?sp=/triggers/manual/run`. Equivalent by RFC 3986, but not the bytes that were
# signed, or that a log is searched for. httpx 0.28.1 sends what it was given; yarl does with
# `encoded=True`.
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet --disable-pip-version-check yarl==1.25.1 httpx==0.28.1
"$home/venv/bin/python" - <<'PYTHON'
import httpx
import yarl

given = "https://example.com/c%7Ed?sp=%2Ftriggers%2Fmanual%2Frun&sig=a%2Fb%2Bc%3D"
read = {
    "yarl": str(yarl.URL(given)),
    "yarl, encoded=True": str(yarl.URL(given, encoded=True)),
    "httpx": str(httpx.URL(given)),
}
for name, url in read.items():
    print(f"{name}: {url}")
changed = "https://example.com/c~d?sp=/triggers/manual/run&sig=a/b%2Bc%3D"
assert read == {"yarl": changed, "yarl, encoded=True": given, "httpx": given}
PYTHON
