"""Secrets at rest: sealed (encrypted) with keys from a file that only its owner may read."""
