"""The Tables of storage/*/tables.py say what the migrations have made, and nothing else."""

from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Column, Connection, MetaData, inspect, make_url

import storage
from storage.postgres.columns import shared, tenant
from storage.postgres.database import Database
from storage.tenancy import tenants
from storage.tenancy.provisioning import upgrade

ROOT = Path(storage.__file__).parent
for path in ROOT.glob("*/tables.py"):
    import_module(f"storage.{path.parent.name}.tables")

# Tables that only SQL text uses: they have no Table that could differ.
IN_SQL_ALONE = {
    "public": {"alembic_version", "api_keys", "integration_owners", "secret_checks", "tenants"},
    "tenant": {"alembic_version", "import_aliases"},
}


class Told(NamedTuple):
    """A column as one of the two descriptions has it."""

    type: str
    nullable: bool
    has_default: bool
    is_computed: bool
    is_key: bool


_DIALECT = make_url("postgresql+asyncpg://").get_dialect()()
Schema = dict[tuple[str, str], Told]  # by table and column


def type_name(type: Any) -> str:
    name: str = type.compile(dialect=_DIALECT)
    return name


def of_table(column: Column[Any]) -> Told:
    computed = column.computed is not None
    has_default = column.server_default is not None and not computed
    return Told(
        type_name(column.type), bool(column.nullable), has_default, computed, column.primary_key
    )


def told_by_tables(metadata: MetaData) -> Schema:
    return {
        (table.name, column.name): of_table(column)
        for table in metadata.tables.values()
        for column in table.columns
    }


def told_by_database(connection: Connection, schema: str) -> Schema:
    inspector = inspect(connection)
    told: Schema = {}
    for table in inspector.get_table_names(schema):
        keys = inspector.get_pk_constraint(table, schema)["constrained_columns"]
        for each in inspector.get_columns(table, schema):
            told[table, each["name"]] = Told(
                type_name(each["type"]),
                each["nullable"],
                each["default"] is not None and "computed" not in each,
                "computed" in each,
                each["name"] in keys,
            )
    return told


@pytest.fixture
async def database(fresh_database: str) -> AsyncIterator[Database]:
    made = Database(fresh_database, pool_size=1)
    await upgrade(made)
    yield made
    await made.close()


async def test_tables_are_as_the_migrations_made_them(database: Database) -> None:
    async with database.owner() as connection:
        made, _ = await tenants.create(connection, "one", "One")
    for metadata, schema in ((shared, "public"), (tenant, made.id.schema)):
        async with database.engine.connect() as connection:
            found = await connection.run_sync(told_by_database, schema)
        sql_alone = IN_SQL_ALONE[str(metadata.schema)]
        assert sql_alone <= {table for table, _ in found}
        expected = {place: found[place] for place in found if place[0] not in sql_alone}
        told = told_by_tables(metadata)
        places = told.keys() | expected.keys()
        drifts = {at: (told.get(at), expected.get(at)) for at in places}
        assert {at: both for at, both in drifts.items() if both[0] != both[1]} == {}
