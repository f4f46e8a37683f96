"""The confined process that reads what strangers upload."""
