"""Readers of file formats: from bytes to batches of rows, for whatever source."""
