"""Slack, by a bot token or an incoming webhook."""
