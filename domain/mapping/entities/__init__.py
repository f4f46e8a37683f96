"""The entities that a migration can fill, each in a file of its own."""
