"""Signed webhooks to any HTTP endpoint."""
