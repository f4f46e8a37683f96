"""Endpoints of notifications: events, deliveries, channels, preferences."""
