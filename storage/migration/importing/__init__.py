"""Writing the batches of an import: matched, written, entered in the ledger, and undone."""
