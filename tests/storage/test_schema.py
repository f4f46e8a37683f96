"""The Tables of storage/*/tables.py say what the migrations have made, and nothing else."""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Column, Connection, MetaData, inspect
from sqlalchemy.dialects import postgresql

import storage
from storage.postgres.columns import shared, tenant
from storage.postgres.database import Database
from storage.tenancy import tenants
from storage.tenancy.provisioning import upgrade

ROOT = Path(storage.__file__).parent
for path in ROOT.glob("*/tables.py"):
    import_module(f"storage.{path.parent.name}.tables")

# Those that only SQL names, so that no Table could be wrong about them.
IN_SQL_ALONE = {
    "public": {"alembic_version", "api_keys", "secret_checks", "tenants"},
    "tenant": {"alembic_version", "import_aliases"},
}


class Told(NamedTuple):
    """What one telling says of a column."""

    type: str
    nullable: bool
    has_default: bool
    is_computed: bool
    is_key: bool


Schema = dict[str, dict[str, Told]]  # columns by table


def type_name(type: Any) -> str:
    name: str = type.compile(dialect=postgresql.dialect())
    return name


def of_table(column: Column[Any]) -> Told:
    computed = column.computed is not None
    has_default = column.server_default is not None and not computed
    return Told(
        type_name(column.type), bool(column.nullable), has_default, computed, column.primary_key
    )


def told_by_tables(metadata: MetaData) -> Schema:
    return {
        table.name: {column.name: of_table(column) for column in table.columns}
        for table in metadata.tables.values()
    }


def told_by_database(connection: Connection, schema: str) -> Schema:
    inspector = inspect(connection)
    told: Schema = {}
    for table in inspector.get_table_names(schema):
        keys = inspector.get_pk_constraint(table, schema)["constrained_columns"]
        told[table] = {
            each["name"]: Told(
                type_name(each["type"]),
                each["nullable"],
                each["default"] is not None and "computed" not in each,
                "computed" in each,
                each["name"] in keys,
            )
            for each in inspector.get_columns(table, schema)
        }
    return told


@pytest.fixture
async def database(fresh_database: str) -> Any:
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
        assert sql_alone <= found.keys()
        assert told_by_tables(metadata) == {
            name: columns for name, columns in found.items() if name not in sql_alone
        }
