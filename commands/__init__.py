"""What the `firelater` command does as a client of the HTTP API."""
