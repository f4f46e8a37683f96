"""What a connection test can prove without making a record that people would see."""

from uuid import uuid4

from domain.integration.outcome import Check, DeliveryFailed, FailureClass
from domain.json_document import Json
from integrations.servicenow.client import Client
from integrations.servicenow.config import ServiceNowConfig

_READ = (
    "the instance takes the login, and shows records of {table}. Not proved: the right to create"
    " and to change them, which only a real one can show"
)
_EMPTY = (
    "the instance takes the login, but shows no record of {table}: it has none, or the user may not"
    " read them. Not proved: all that a record would show"
)
_NEEDED = {
    "state": "without it, no record is changed",
    "correlation_id": "without it, an uncertain creation cannot be looked for",
    "work_notes": "without it, it cannot be proved that a work note arrived",
}
_SEARCHED = (
    "a search for an id that does not exist found nothing, so a creation whose answer is missing"
    " can be looked for"
)


async def check_connection(config: ServiceNowConfig, client: Client) -> list[Check]:
    name = "login and table"
    try:
        sample = await client.sample()
    except DeliveryFailed as error:
        return [Check.failed(name, error)]
    if sample is None:
        return [Check(name, True, _EMPTY.format(table=config.table))]
    checks = [Check(name, True, _READ.format(table=config.table)), _check_fields(sample)]
    return [*checks, await _check_search(client)]


def _check_fields(sample: Json) -> Check:
    """A field that may not be read is missing, or empty; a state is never empty."""
    name = "fields that are read"
    missing = [each for each in _NEEDED if each not in sample]
    if not sample.get("state") and "state" not in missing:
        missing = ["state", *missing]
    if not missing:
        return Check(name, True, f"the user may read {', '.join(_NEEDED)}")
    why = "; ".join(f"{each}: {_NEEDED[each]}" for each in missing)
    return Check(name, False, f"let the user read {why}", FailureClass.MISCONFIGURED)


async def _check_search(client: Client) -> Check:
    name = "search by correlation_id"
    try:
        await client.search([f"probe-{uuid4()}"])
    except DeliveryFailed as error:
        return Check.failed(name, error)
    return Check(name, True, _SEARCHED)
