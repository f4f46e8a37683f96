"""The workflow of a notification request: it routes the request and has its deliveries sent."""
