"""Queries of tenants: their schemas, API keys, audit log and idempotency keys."""
