"""Queries of migration jobs: the jobs themselves, the ledger of their batches, writing and matching
records, undo, and the report."""
