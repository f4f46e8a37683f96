"""Endpoints of migration jobs: upload, preview, execute, report, undo; templates and records."""
