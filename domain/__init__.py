"""Pure rules: no I/O, no clock, no randomness. Everything else depends on this package."""
