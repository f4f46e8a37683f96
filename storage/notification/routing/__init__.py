"""Queries of routing: channels, preferences, the events to route, the deliveries made of them."""
