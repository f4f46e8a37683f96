"""The workflow of a notification request: it opens it, and has its deliveries sent."""
