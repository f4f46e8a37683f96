"""Microsoft Teams, by a workflow that posts Adaptive Cards."""
