"""A body of the wrong kind is refused with a sentence and a pointer."""

from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import BaseModel

from api.errors import install


class Inner(BaseModel):
    size: int = 0


class Outer(BaseModel):
    inner: Inner = Inner()
    more: dict[str, Any] = {}


async def told(content: bytes) -> list[Any]:
    app = FastAPI()
    install(app)

    @app.post("/")
    async def receive(body: Outer) -> None: ...

    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as http:
        response = await http.post(
            "/", content=content, headers={"Content-Type": "application/json"}
        )
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    errors: list[Any] = response.json()["errors"]
    return errors


@pytest.mark.parametrize(
    ("content", "pointer", "detail"),
    [
        (b"[1]", "", "the body: a JSON object is expected"),
        (b'"text"', "", "the body: a JSON object is expected"),
        (b"7", "", "the body: a JSON object is expected"),
        (b"null", "", "the body: a JSON object is expected"),
        (b"", "", "the body is missing"),
        (b'{"inner": [1]}', "/inner", "a JSON object is expected"),
        (b'{"more": null}', "/more", "a JSON object is expected"),
    ],
)
async def test_where_an_object_is_expected(content: bytes, pointer: str, detail: str) -> None:
    assert await told(content) == [{"pointer": pointer, "detail": detail}]
