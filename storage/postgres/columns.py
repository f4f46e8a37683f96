"""What the tables of all rooms share: the two schemas, and columns that many tables have.

The migrations in alembic/ create the tables; tests/storage/test_schema.py compares the two.
`Database.tenant` translates the schema "tenant" to the tenant's own schema.
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
    """A time stamp with time zone; one that is not nullable is now() by default."""
    default = None if nullable else func.now()
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default)


def count_column(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default="0")


def id_column() -> Column[Any]:
    return Column("id", UUID, primary_key=True, server_default=func.uuidv7())
