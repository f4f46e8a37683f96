"""Activities of integrations: they open configs and test connections."""
