"""JSON: arrays, envelopes and lines, read record by record."""
