#!/bin/sh
# standardwebhooks 1.1.0 and svix 2.9.1: `verify` of the one gives the payload, of the other None.
#
# Both check the same signatures of the same specification, and their `verify` takes the same
# arguments. standardwebhooks returns the body parsed as JSON, and so raises JSONDecodeError for a
# genuine message whose body is not JSON, as a ping in plain text; svix returns None for each. Code
# that goes from one to the other has no payload, or refuses what was signed rightly.
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0 svix==2.9.1
"$home/venv/bin/python" - <<'PYTHON'
import base64
from datetime import datetime, timezone

import standardwebhooks
import svix

secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
now = datetime.now(timezone.utc)


def verified(library, body):
    webhook = library.Webhook(secret)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign("msg_1", now, body),
    }
    try:
        return webhook.verify(body, headers)
    except ValueError as error:
        return type(error).__name__


found = {
    library.__name__: [verified(library, body) for body in ('{"a": 1}', "ping")]
    for library in (standardwebhooks, svix)
}
print("standardwebhooks 1.1.0, svix 2.9.1:", found)
assert found == {"standardwebhooks": [{"a": 1}, "JSONDecodeError"], "svix": [None, None]}
PYTHON
