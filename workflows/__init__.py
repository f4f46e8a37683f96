"""Temporal workflows, which order steps, wait and compensate, and what clients need to use them."""
