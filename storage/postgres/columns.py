"""What the tables of all rooms have in common: their two schemas, and columns that recur.

The migrations in alembic/ create the tables; a test compares the two. Those in schema "tenant" are
translated to the tenant's own schema by `Database.tenant`.
"""

from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    MetaData,
    func,
)
from sqlalchemy.dialects.postgresql import UUID

shared = MetaData(schema="public")
tenant = MetaData(schema="tenant")


def time_column(name: str, *, nullable: bool = True) -> Column[Any]:
    default = None if nullable else func.now()
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def count_column(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default="0")


def id_column() -> Column[Any]:
    return Column("id", UUID, primary_key=True, server_default=func.uuidv7())
