"""Every record of a file is accounted for, and all reports of an import agree."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console

from commands.migrate import show_report
from tests.made_files import MadeFile, make
from tests.service import Tenant

_OUTCOMES = {
    "inserted": "successfulRecords",
    "updated": "updatedRecords",
    "skipped": "skippedRecords",
    "failed": "failedRecords",
}


@pytest.mark.parametrize("seed", range(30))
async def test_is_accounted_for(tenant: Tenant, seed: int) -> None:
    made = make(seed)
    assert await became(tenant, made) == made.fates


@pytest.mark.campaign
async def test_of_three_hundred_files_is_accounted_for(tenant: Tenant) -> None:
    for seed in range(1_000, 1_300):
        made = make(seed)
        assert await became(tenant, made) == made.fates, f"seed {seed}"


async def became(tenant: Tenant, made: MadeFile) -> Counter[str]:
    """What became of the file's records, on which job, report, command line, lists and
    table agree."""
    kind = {"sourceSystem": "servicenow", "sourceInstance": made.content[:20].hex()}
    answer = await tenant.upload(made.content, made.name, **kind)
    if made.left_out and not sum(made.fates.values()):
        assert answer.json()["code"] == "no_records_found"
        return Counter()
    assert answer.status_code == 201, answer.text
    await tenant.sql("truncate incidents")
    job = await tenant.execute(answer.json()["job"]["id"], continueOnError=True)
    assert job["status"] == "completed", job["failure"]
    found = Counter({name: job[key] for name, key in _OUTCOMES.items() if job[key]})
    assert job["totalRecords"] == job["processedRecords"] == found.total()
    ignored = {k: v for k, v in job["ignoredRecords"].items() if k != "repeated header"}
    assert sum(ignored.values()) == made.left_out
    assert len(await tenant.sql("select id from incidents")) == found["inserted"]
    assert _report(job) == found
    assert {k: v for k, v in job["report"]["imported"].items() if v} == dict(found)
    assert len({each["row"] for each in await tenant.errors(job["id"])}) == found["failed"]
    assert len(await tenant.skipped(job["id"])) == found["skipped"]
    return found


def _report(job: dict[str, Any]) -> Counter[str]:
    """The same, from the output of the command line."""
    console = Console(width=200)
    with console.capture() as printed:
        show_report(job, console)
    words = printed.get().replace("│", " ").replace(",", "").split()
    figures = dict(pairwise(words))
    return Counter({n: int(figures[k]) for n, k in _OUTCOMES.items() if figures[k] != "0"})
