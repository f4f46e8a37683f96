"""Commands of `firelater` that are clients of the HTTP API."""
