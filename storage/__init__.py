"""PostgreSQL and object storage: tables, ledgers, secrets at rest; every query of the service."""
