"""Queries of notifications: requests, deliveries, claims, attempts, the outbox."""
