"""Run by Alembic: applies the migrations of one scope (shared or tenant) on the connection and in
the schema that storage/tenancy/provisioning.py passes."""

from alembic import context

config = context.config
context.configure(
    connection=config.attributes["connection"],
    version_table_schema=config.attributes["schema"],
)
with context.begin_transaction():
    context.run_migrations()
