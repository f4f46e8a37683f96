"""Measures speed and memory of imports and notifications, and compares them with a floor and with
other tools; campaigns that disturb the service and judge the outcome (docs/benchmarks.md)."""
