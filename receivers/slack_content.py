"""What Slack refuses of a message: its text, blocks and attachments, one by one and together.

`slack_sdk.models` knows the documented limits of many blocks; it does not know those of fields,
that headers are plain text, how many blocks a message may have, nor how long they may be together
(about 13,200 characters of JSON, slackapi/bolt-js#2509).
"""

import json
import logging
from collections.abc import Iterator
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from receivers.receiver import Json

BLOCKS, ATTACHMENTS, TOGETHER = 50, 100, 13_200
FIELD = 2_000
_TEXTS = ("plain_text", "mrkdwn")

logging.getLogger("slack_sdk.models").setLevel(logging.ERROR)  # it warns of unknown blocks


def fault(said: Json) -> str | None:
    """Slack's error code, with `: ` and its reason where there is one; None: it takes the message.

    A text over 40,000 characters is truncated, not refused.
    """
    blocks, attachments = said.get("blocks") or [], said.get("attachments") or []
    if not isinstance(blocks, list):
        return "invalid_blocks_format"
    if not isinstance(attachments, list) or not all(isinstance(each, dict) for each in attachments):
        return "invalid_attachments"
    text = said.get("text") or ""
    if not isinstance(text, str) or not (text.strip() or blocks or attachments):
        return "no_text"
    if len(attachments) > ATTACHMENTS:
        return "too_many_attachments"
    every = [*blocks, *(block for each in attachments for block in each.get("blocks") or [])]
    reason = next(_reasons(every), None)
    if reason is not None:
        return f"invalid_blocks: {reason}"
    together = len(json.dumps(every, ensure_ascii=False, separators=(",", ":")))
    return "msg_blocks_too_long" if together > TOGETHER else None


def _reasons(blocks: list[Any]) -> Iterator[str]:
    if len(blocks) > BLOCKS:
        yield f"no more than {BLOCKS} items allowed [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        for reason in _block_reasons(block):
            yield f"{reason} [json-pointer:/blocks/{number}]"


def _block_reasons(block: Any) -> Iterator[str]:
    if not isinstance(block, dict):
        yield "must be an object"
        return
    try:
        parsed = Block.parse(block)
        if parsed is None:
            yield f"unsupported type: {block.get('type')}"
            return
        parsed.to_dict()
    except (SlackObjectFormationError, TypeError, ValueError, AttributeError) as error:
        yield str(error)
    yield from _unknown_to_the_models(block)


def _unknown_to_the_models(block: Json) -> Iterator[str]:
    if block["type"] == "header" and block["text"].get("type") != "plain_text":
        yield "must be plain_text"
    if block["type"] == "section" and not (block.get("text") or block.get("fields")):
        yield "text or fields are needed"
    for field in block.get("fields") or []:
        if len(field.get("text", "")) > FIELD:
            yield f"must be less than {FIELD + 1} characters"
    for text in texts(block):
        if not text.get("text"):
            yield "must be more than 0 characters"
    for element in block.get("elements") or []:
        url = element.get("url", "https://") if isinstance(element, dict) else ""
        if not url.startswith(("https://", "http://")):
            yield "invalid url"


def texts(value: Any) -> Iterator[Json]:
    """Every text object of a message, or of a part of it."""
    if isinstance(value, dict):
        if value.get("type") in _TEXTS:
            yield value
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
