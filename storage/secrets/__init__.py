"""Secrets at rest: sealed by keys of a file that only its owner reads."""
