"""Rows as COPY text, and COPY on a connection that is lost."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import polars as pl
import pytest

from storage.migration.importing.copying import copy_rows, to_csv


async def test_a_connection_lost_in_mid_copy_is_an_error_not_a_wait(fresh_database: str) -> None:
    copier, other = [await asyncpg.connect(fresh_database) for _ in range(2)]
    await other.execute("create table t (x text)")
    async with other.transaction():
        # Locked out, the server reads nothing, and the client's buffer fills.
        await other.execute("lock table t in access exclusive mode")
        rows = b"x" * 999 + b"\n"
        copying = asyncio.create_task(copy_rows(copier, ("public", "t"), ["x"], rows * 50_000))
        waiting = "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1"
        async with asyncio.timeout(20):
            while not await other.fetchval(waiting, copier.get_server_pid()):
                await asyncio.sleep(0.02)
        await other.execute("select pg_terminate_backend($1)", copier.get_server_pid())
        with pytest.raises((ConnectionError, asyncpg.PostgresError)):
            async with asyncio.timeout(20):
                await copying
    assert await other.fetchval("select count(*) from t") == 0
    await other.close()


def test_times_are_written_in_full_and_nulls_unquoted() -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    whole = pl.DataFrame({"a": [noon, None], "b": ["", None]})
    assert to_csv(whole) == b'2024-05-01 12:00:00+00,""\n,\n'
    exact = pl.DataFrame({"a": [noon, noon.replace(microsecond=7)]})
    assert to_csv(exact) == b"2024-05-01 12:00:00.000000+00\n2024-05-01 12:00:00.000007+00\n"
    assert to_csv(pl.DataFrame({"n": [1]})) == b"1\n"
