"""Readers of file formats: they turn bytes into chunks of rows, whatever the source."""
