"""What all types of integrations have in common: how calls end, and how fast they may come."""
