"""Queries of notifications: requests, deliveries, claims, attempts, destinations, the outbox."""
