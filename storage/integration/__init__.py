"""Queries of integrations: rows, drafts under test, rotation of the keys of their secrets."""
