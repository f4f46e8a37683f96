"""Lets a migration run a script of several SQL statements. SQLAlchemy cannot run one on asyncpg: it
has every statement prepared, and PostgreSQL prepares single statements only."""

from alembic import op


def run_script(sql: str) -> None:
    """Run all statements of `sql` in the migration's own transaction."""
    pooled = op.get_bind().connection
    pooled.dbapi_connection.run_async(lambda driver: driver.execute(sql))  # type: ignore[union-attr]
