"""Activities of notifications: route events, claim due deliveries, send them, record outcomes."""
