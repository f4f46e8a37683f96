"""Endpoints of integrations: create, change, test, show."""
