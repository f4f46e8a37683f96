"""The codec endpoint: lets the Temporal Web UI show payloads that only we can decrypt.

The UI posts a JSON `Payloads` message (protobuf JSON mapping) to `/codec/decode`.
"""

from cryptography.exceptions import InvalidTag
from fastapi import APIRouter, Request, Response
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from temporalio.api.common.v1 import Payloads

from api.auth import Platform
from api.context import InContext
from api.errors import ApiError

router = APIRouter(prefix="/codec", tags=["codec"])


@router.post("/decode")
async def decode(request: Request, context: InContext, _: Platform) -> Response:
    """Decrypt payloads for an operator who holds the platform's key."""
    codec = context.temporal.data_converter.payload_codec
    try:
        payloads = Parse(await request.body(), Payloads())
        plain = await codec.decode(payloads.payloads) if codec else payloads.payloads
    except (ParseError, ValueError, KeyError, InvalidTag) as error:
        raise ApiError("payload_invalid", "these payloads cannot be decoded") from error
    return Response(MessageToJson(Payloads(payloads=plain)), media_type="application/json")
