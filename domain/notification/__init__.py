"""Rules of notifications: events, routes, messages, deliveries and when they are tried again."""
