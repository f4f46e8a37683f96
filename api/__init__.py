"""The HTTP API: one module per resource, problems for errors, one context of connections."""
