"""Codes that any request may be answered with."""

from domain.problem_codes.code import ProblemCode as Code

REQUESTS = (
    Code(
        "bad_request",
        400,
        "The body cannot be read: it is not UTF-8, is nested too deep, or has a number of thousands"
        " of digits.",
        "Send plain JSON in UTF-8.",
    ),
    Code(
        "client_disconnected",
        400,
        "The connection ended before the whole body had arrived.",
        "Send the request again.",
    ),
    Code(
        "unauthenticated",
        401,
        "The request has no API key, or its key is unknown, expired or revoked.",
        "Send `Authorization: Bearer fl_…` with a valid key.",
    ),
    Code(
        "signature_invalid",
        401,
        "A call to `/v1/inbound` is not signed by the vendor, or too old.",
        "Compare the integration's signing secret with the vendor's, and the clocks.",
    ),
    Code(
        "forbidden",
        403,
        "The API key is valid, but its role or its tenant does not allow this request.",
        "Use a key of the role that `detail` names, or of the right tenant.",
    ),
    Code(
        "not_found",
        404,
        "The path does not exist, or the tenant has no such object. Another tenant's objects are"
        " answered like this, too.",
        "Check the path, the id and whose API key you use.",
    ),
    Code(
        "method_not_allowed",
        405,
        "The path exists, but does not take this HTTP method.",
        "Use a method that the `Allow` header names.",
    ),
    Code(
        "invalid_state",
        409,
        "The job or the delivery is in a state that does not allow this request.",
        "Read its current state, and ask again when that allows it.",
    ),
    Code(
        "workflow_paused",
        409,
        "An operator has paused the job's workflow in Temporal, so nobody can steer the job.",
        "Ask the operator to unpause the workflow. `detail` says what becomes of your request.",
    ),
    Code(
        "name_taken",
        409,
        "The tenant has another object of this kind with the same name.",
        "Choose another name, or change the object that has it.",
    ),
    Code(
        "slug_taken",
        409,
        "Another tenant has this slug.",
        "Choose another slug.",
    ),
    Code(
        "idempotency_in_flight",
        409,
        "Another request with the same `Idempotency-Key` is still being worked on.",
        "Wait a moment and send the same request again; you then get the first one's answer.",
    ),
    Code(
        "body_too_large",
        413,
        "The body is larger than `limit` bytes.",
        "Send less in one request.",
    ),
    Code(
        "invalid_request",
        422,
        "The body, a form field or a parameter does not have the expected form.",
        "Correct each place that `errors` points at.",
    ),
    Code(
        "idempotency_mismatch",
        422,
        "An earlier request with the same `Idempotency-Key` asked for something else.",
        "Use a new key for each new request.",
    ),
    Code(
        "cursor_invalid",
        422,
        "The `cursor` was not made by this service.",
        "Pass the cursor of the previous page unchanged, or leave it out to begin anew.",
    ),
    Code(
        "value_not_storable",
        422,
        "A text holds a value that the database cannot store, such as the character U+0000.",
        "Remove that character.",
    ),
    Code(
        "payload_invalid",
        422,
        "The payloads that the Temporal UI sent to `/codec/decode` cannot be decoded.",
        "Check that this service has the key with which they were encrypted.",
    ),
    Code(
        "internal_error",
        500,
        "The service has a fault. A job fails with this code after 20 attempts.",
        "Report it to whoever runs the service; the log of the API or of the worker has the cause.",
    ),
    Code(
        "unavailable",
        503,
        "PostgreSQL, Temporal, the object storage or a worker cannot be reached or is too busy.",
        "Send the request again after the seconds that `Retry-After` names, if it is there.",
    ),
)
