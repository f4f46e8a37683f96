"""The command line's client of the HTTP API: problems become sentences."""

from pathlib import Path
from typing import Any

import httpx

Json = dict[str, Any]  # a JSON document that the API takes or answers


class Refused(Exception):
    """The API or a check refused; the message is a sentence for people."""


class Api:
    """Calls the API with one key. Raises Refused if it cannot be reached or answers a problem."""

    def __init__(self, url: str, key: str) -> None:
        self._key = key
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(90, connect=5),
            trust_env=False,
        )

    def get(self, path: str, **query: Any) -> Json:
        """The answer to GET. Raises Refused."""
        return self._answer("GET", path, params=query)

    def post(self, path: str, body: Any = None) -> Json:
        """The answer to POST, with an empty object if no body is given. Raises Refused."""
        return self._answer("POST", path, json=body or {})

    def upload(self, file: Path, fields: dict[str, str]) -> Json:
        """Upload a file as a stream. httpx sends the fields before the file, as the API prefers."""
        with file.open("rb") as content:
            return self._answer(
                "POST",
                "/v1/migration/upload",
                data=fields,
                files={"file": (file.name, content)},
            )

    def _answer(self, method: str, path: str, **request: Any) -> Json:
        if not self._key:
            raise Refused("no API key: set FIRELATER_API_KEY")
        try:
            response = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            where = f"no answer from {self._http.base_url} (FIRELATER_URL sets the address)"
            raise Refused(f"{where}: {error}") from error
        if response.is_success:
            answer: Json = response.json()
            return answer
        raise Refused(_sentence(response))


def _sentence(response: httpx.Response) -> str:
    """The problem in one line: code, detail, place and faults."""
    try:
        problem = response.json()
    except ValueError:
        return f"HTTP {response.status_code}"
    place = [f"{name} {problem[name]}" for name in ("line", "row", "column") if name in problem]
    faults = problem.get("errors", [])
    more = [f"{each.get('pointer', '')} {each.get('detail', '')}" for each in faults]
    sentence = f"{problem.get('code')}: {problem.get('detail')}"
    return "; ".join(part.strip() for part in [sentence, *place, *more])
