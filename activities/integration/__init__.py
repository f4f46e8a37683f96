"""Calls to an integration apart from deliveries: its opened config, its state, its test."""
