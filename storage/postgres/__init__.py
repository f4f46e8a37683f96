"""The connection to PostgreSQL, and what all queries share."""
