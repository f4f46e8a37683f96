"""Temporal activities: the steps of workflows that have side effects."""
