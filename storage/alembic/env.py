"""Runs one scope's migrations (shared or tenant) in the schema and connection it is given."""

from alembic import context

config = context.config
context.configure(
    connection=config.attributes["connection"],
    version_table_schema=config.attributes["schema"],
)
with context.begin_transaction():
    context.run_migrations()
