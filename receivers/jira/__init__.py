"""Jira on this machine."""
