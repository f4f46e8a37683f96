"""All access to PostgreSQL and object storage: every table and query, and secrets at rest."""
