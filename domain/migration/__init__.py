"""Rules of a migration job: its states, its plan, its preview, its account."""
