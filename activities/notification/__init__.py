"""The steps of a notification: route its events, claim what is due, send it, record it."""
