"""Connections to PostgreSQL, and what the queries of all rooms share."""
