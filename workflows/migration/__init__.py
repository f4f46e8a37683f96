"""The workflows of a migration job: parse, wait, import, close; and its rollback."""
