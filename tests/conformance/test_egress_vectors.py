"""The published vectors of ../shared hold: addresses, URLs, names and redirects."""

import json
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.integration.outcome import FailureClass
from egress.client import egress
from egress.guard import Refused
from egress.http import Resolver
from egress.policy import Policy
from integrations.reply import undocumented
from receivers.receiver import Receiver, Reply, serving
from tests.integrations.verdicts import code, dialled

Vectors = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> Vectors:
    found: Vectors = json.loads((shared_dir / "specs/ssrf/vectors.json").read_text())
    return found


def test_addresses(vectors: Vectors) -> None:
    cases = [case for case in vectors["addresses"] if case["verdict"] != "either"]
    found = {case["address"]: dialled(case["address"]) for case in cases}
    assert len(found) > 50
    verdicts = {address: "allow" if said == "public" else "deny" for address, said in found.items()}
    assert verdicts == {case["address"]: case["verdict"] for case in cases}


def test_urls(vectors: Vectors) -> None:
    cases = vectors["urls_deny"] + vectors["urls_accept"]
    found = {case["url"]: code(case["url"]) for case in cases}
    assert len(found) > 70
    assert found == {case["url"]: case.get("code") or case["canonical"] for case in cases}


def rounds(answers: Any) -> Iterator[list[str] | None]:
    yield from answers if answers and isinstance(answers[0], list) else [answers]


async def connected(case: dict[str, Any]) -> str:
    """The address that the name leads to, looked up twice if it is asked for twice."""
    answers = rounds(case["answers"])
    policy = case["policy"]
    port = policy.get("allow_ports", [443])[0]
    allow = ",".join(f"{network}:{port}" for network in policy.get("allow_networks", []))

    def lookup(_: str) -> Iterable[str]:
        found = next(answers)
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found

    resolver = Resolver(Policy.parse(allow), lookup, 5)
    try:
        [only] = await resolver.resolve(case["name"], port)
    except Refused as refused:
        return refused.code
    except OSError:
        return "dns_failed"
    finally:
        await resolver.close()
    return f"connect {only['host']}"


async def test_names(vectors: Vectors) -> None:
    found = {case["name"]: await connected(case) for case in vectors["names"]}
    assert len(found) == len(vectors["names"]) > 0
    assert found == {case["name"]: case["verdict"].partition(";")[0] for case in vectors["names"]}


async def test_redirects(vectors: Vectors) -> None:
    assert vectors["redirects"]
    async with serving(Receiver()) as receiver, egress(receiver.allowed) as out:
        for case in vectors["redirects"]:
            receiver.received.clear()
            receiver.told.append(Reply(case["status"], headers={"Location": case["location"]}))
            reply = await out.send("POST", f"{receiver.url}/hook", {}, b"{}")
            assert (reply.status, len(receiver.received)) == (case["status"], 1)
            assert undocumented(reply.status) is FailureClass.TRANSIENT
