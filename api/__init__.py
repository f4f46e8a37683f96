"""The HTTP API: one module per resource; errors are RFC 9457 problems."""
