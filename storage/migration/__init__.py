"""Queries of migration jobs: the ledger, the batches, matching, undo, the report."""
