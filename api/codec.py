"""The codec endpoint: decrypts payloads for the Temporal Web UI, which lacks the key ring.

The UI posts a `Payloads` message as JSON (protobuf's JSON mapping) to `/codec/decode`:
https://docs.temporal.io/remote-data-encoding.
"""

from fastapi import APIRouter, Request, Response
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from temporalio.api.common.v1 import Payloads

from api.auth import Platform
from api.context import InContext
from api.errors import ApiError

router = APIRouter(prefix="/codec", tags=["codec"])


@router.post("/decode")
async def decode(request: Request, context: InContext, _: Platform) -> Response:
    """Decrypt payloads of workflow histories, for the Temporal Web UI.

    Needs the platform's admin key, not a tenant's key. Send a Temporal `Payloads` message as
    JSON; the answer is the same message with its payloads decrypted. 422 `payload_invalid` if it
    cannot be read, or if the service does not have the key that encrypted it.
    """
    codec = context.temporal.data_converter.payload_codec
    try:
        payloads = Parse(await request.body(), Payloads())
        plain = await codec.decode(payloads.payloads) if codec else payloads.payloads
    except (ParseError, ValueError) as error:
        raise ApiError("payload_invalid", "these payloads cannot be decoded") from error
    return Response(MessageToJson(Payloads(payloads=plain)), media_type="application/json")
