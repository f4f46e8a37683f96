"""Readers of file formats: from bytes to chunks of rows, for whatever source."""
