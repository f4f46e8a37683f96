"""Jira, Cloud and Data Center: issues that follow the alerts of a tenant."""
