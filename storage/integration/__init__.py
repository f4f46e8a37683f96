"""Queries of integrations: their rows and logs, drafts under test, and rotation of the keys that
their secrets are sealed with."""
