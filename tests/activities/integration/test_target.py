"""Opened integrations are cached; those that cannot be opened are tried again."""

from uuid import uuid4

from activities.integration.target import Targets, Unusable
from domain.integration.stored import SealedIntegration
from domain.keyring import KEY_BYTES, Keyring
from domain.tenant import TenantId
from storage.secrets.vault import Vault

TENANT = TenantId("01jd0000000000000000000000")
OLD, BOTH = Keyring({"k1": bytes(KEY_BYTES)}), Keyring({"k2": b"2" * KEY_BYTES, "k1": bytes(32)})


def sealed(vault: Vault) -> SealedIntegration:
    id = uuid4()
    return {
        "id": id,
        "type": "generic_webhook",
        "config": {},
        "credentials": vault.seal(TENANT, id, {"url": "https://acme.example/hook"}),
        "version": 1,
    }


def test_an_integration_whose_key_comes_back_is_usable_again() -> None:
    row, rings = sealed(Vault(BOTH)), [OLD]
    targets = Targets(Vault(OLD, lambda: rings[-1]))
    assert isinstance(targets.of(TENANT, row).channel, Unusable)
    rings.append(BOTH)
    assert targets.of(TENANT, row).channel.kind == "generic_webhook"


def test_an_opened_integration_is_kept() -> None:
    vault = Vault(BOTH)
    row, targets = sealed(vault), Targets(vault)
    first = targets.of(TENANT, row)
    assert targets.of(TENANT, row) is first
    assert targets.of(TENANT, row | {"version": 2}) is not first
