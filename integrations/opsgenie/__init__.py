"""Opsgenie, and Jira Service Management, which takes the same requests."""
