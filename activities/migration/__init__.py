"""The steps of a migration job: parse, survey, import, close."""
