"""Changing keys: rotate, verify, retire, as the command line does, on a real database."""

import asyncio
import json
from collections.abc import Callable
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import delete, insert, text, update

from domain.keyring import Keyring
from storage.integration import secret_rotation as rotation
from storage.integration.secret_rotation import BATCH_ROWS, Refused
from storage.integration.tables import integration_drafts, integrations
from storage.private_file import write_private
from storage.secrets.key_check import open_vault
from storage.secrets.key_file import BadKeyFile
from storage.secrets.vault import Vault, key_ids
from tests.blocked import until_blocked
from tests.storage.kept import SECRETS, Kept


def heard() -> tuple[list[str], Callable[[str], None]]:
    lines: list[str] = []
    return lines, lines.append


class TestRotation:
    async def test_everything_moves_to_the_new_key_and_still_opens(self, kept: Kept) -> None:
        one, two = kept.tenants
        await kept.add(one, BATCH_ROWS + 3)
        await kept.add(two, 2)
        async with kept.database.tenant(two) as connection:
            sealed = kept.vault.seal(two, UUID(int=1), SECRETS)
            draft = {"id": UUID(int=1), "type": "slack", "config": {}, "credentials": sealed}
            await connection.execute(insert(integration_drafts).values(draft))
        done = kept.run("rotate", "--new-key")
        assert (done.returncode, done.stderr) == (0, "")
        kid = kept.file.current().active
        assert kid != "k1"
        assert done.stdout.splitlines()[0] == f"added={kid}"
        assert done.stdout.splitlines()[-1] == f"active={kid} remaining=0"
        for tenant_id, id, sealed in await kept.rows():
            assert set(key_ids(sealed)) == {kid}
            assert kept.vault.open(tenant_id, id, sealed) == SECRETS | {"n": str(id)}
        [(tenant_id, id, sealed)] = await kept.rows(integration_drafts)
        assert kept.vault.open(tenant_id, id, sealed) == SECRETS
        assert oct(kept.file.path.stat().st_mode & 0o777) == "0o600"

    async def test_a_change_made_meanwhile_is_kept_and_brought_along(self, kept: Kept) -> None:
        """A process with only the old key is about to commit when the rotation reaches the row."""
        tenant = kept.tenants[0]
        id, gone, other = sorted(await kept.add(tenant, 3))
        old = Vault(Keyring(dict(kept.file.current().keys)))
        kid = await rotation.add_key(kept.database, kept.file)
        lines, say = heard()
        async with kept.database.tenant(tenant) as connection:
            sealed = old.seal(tenant, id, {"botToken": "changed"})
            row = update(integrations).values(credentials=sealed)
            await connection.execute(row.where(integrations.c.id == id))
            await connection.execute(delete(integrations).where(integrations.c.id == gone))
            mine = int(await connection.scalar(text("select pg_backend_pid()")))
            rotating = asyncio.create_task(rotation.rotate(kept.database, kept.file, say))
            async with asyncpg.create_pool(kept.dsn, min_size=0) as looking:
                await until_blocked(looking.fetch, mine)
        assert await rotating
        assert lines[-1] == f"active={kid} remaining=0"
        opened = {row: kept.vault.open(tenant, row, sealed) for _, row, sealed in await kept.rows()}
        assert opened == {id: {"botToken": "changed"}, other: SECRETS | {"n": str(other)}}

    async def test_what_does_not_open_is_told_and_stays(self, kept: Kept) -> None:
        good, bad, broken = await kept.add(kept.tenants[0], 3)
        rows = {id: sealed for _, id, sealed in await kept.rows()}
        await kept.put(kept.tenants[0], bad, rows[good])
        await kept.put(kept.tenants[0], broken, "not json")
        done = kept.run("rotate", "--new-key")
        assert done.returncode == 1
        assert f"tenant {kept.tenants[0]}, integrations {bad}: botToken was not" in done.stdout
        assert f"integrations {broken}: the secrets are stored in an unknown format" in done.stdout
        assert "remaining=3" in done.stdout
        after = {id: sealed for _, id, sealed in await kept.rows()}
        assert after[bad] == rows[good]
        assert set(key_ids(after[good])) == {kept.file.current().active}

    async def test_without_a_new_key_it_does_nothing_twice(self, kept: Kept) -> None:
        await kept.add(kept.tenants[0], 2)
        before = await kept.rows()
        done = kept.run("rotate")
        assert "active=k1 remaining=0" in done.stdout
        assert await kept.rows() == before


class TestVerifying:
    async def test_counts_by_key(self, kept: Kept) -> None:
        await kept.add(kept.tenants[0], 2)
        kid = await rotation.add_key(kept.database, kept.file)
        await kept.add(kept.tenants[1], 1)
        done = kept.run("verify")
        assert done.stdout.splitlines() == [
            f"{kid}: 3 secrets open",
            "k1: 6 secrets open",
            "shut=0",
        ]
        assert done.returncode == 0

    async def test_names_each_field_that_is_shut(self, kept: Kept) -> None:
        (id, broken) = await kept.add(kept.tenants[0], 2)
        rows = {row: json.loads(sealed) for _, row, sealed in await kept.rows()}
        rows[id]["botToken"]["sealed"] = rows[id]["n"]["sealed"]
        await kept.put(kept.tenants[0], id, json.dumps(rows[id]))
        await kept.put(kept.tenants[0], broken, "[]")
        done = kept.run("verify")
        assert done.returncode == 1
        assert f"tenant {kept.tenants[0]}, integrations {id}, botToken: " in done.stdout
        assert f"integrations {broken}: " in done.stdout
        assert done.stdout.splitlines()[-2:] == ["k1: 2 secrets open", "shut=2"]
        assert "canary" not in done.stdout + done.stderr


class TestRetiring:
    async def test_a_key_in_use_stays(self, kept: Kept) -> None:
        await kept.add(kept.tenants[1])
        await rotation.add_key(kept.database, kept.file)
        with pytest.raises(Refused, match="3 secrets need k1"):
            await rotation.retire(kept.database, kept.file, "k1")
        assert "k1" in kept.file.current().keys

    async def test_the_active_key_and_an_unknown_one_stay(self, kept: Kept) -> None:
        with pytest.raises(Refused, match="k1 is the active key"):
            await rotation.retire(kept.database, kept.file, "k1")
        with pytest.raises(Refused, match="there is no key k7"):
            await rotation.retire(kept.database, kept.file, "k7")

    async def test_a_key_out_of_use_goes_for_good(self, kept: Kept) -> None:
        [id] = await kept.add(kept.tenants[1])
        kept.run("rotate", "--new-key")
        done = kept.run("retire", "k1")
        assert (done.returncode, done.stderr) == (0, "")
        assert "k1" not in kept.file.current().keys
        vault = await open_vault(kept.database, kept.file.path)  # starts without it
        [(tenant_id, _, sealed)] = await kept.rows()
        assert vault.open(tenant_id, id, sealed)["n"] == str(id)

    async def test_it_can_be_finished_after_a_crash(self, kept: Kept) -> None:
        """The line is gone, and the database still asks for the key."""
        kid = await rotation.add_key(kept.database, kept.file)
        await rotation.rotate(kept.database, kept.file, heard()[1])
        text = kept.file.path.read_text()
        write_private(kept.file.path, text.splitlines()[0])
        with pytest.raises(BadKeyFile, match="lacks the key 'k1'"):
            await open_vault(kept.database, kept.file.path)
        await rotation.retire(kept.database, kept.file, "k1")
        assert (await open_vault(kept.database, kept.file.path)).keyring.active == kid

    async def test_histories_are_thought_of(self, kept: Kept) -> None:
        kept.run("rotate", "--new-key")
        done = kept.run("retire", "k1", TEMPORAL_PAYLOAD_ENCRYPTION="true")
        assert done.returncode == 1
        assert "histories may be encrypted with k1" in done.stderr
        assert "k1" in kept.file.current().keys
        sure = kept.run("retire", "k1", "--histories-expired", TEMPORAL_PAYLOAD_ENCRYPTION="true")
        assert sure.returncode == 0
