"""The workflow that tests an integration."""
