"""XML: exports of records, read in blocks by shape, else by a stream parser."""
