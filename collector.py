"""Tunes Python's garbage collector for a process that loads many modules and then runs for long."""

import gc

_NEW_OBJECTS = 10_000  # so many start a collection of new objects; Python's default is far less
_YOUNGER = 20  # so many collections of a generation start one of the next older


def spare_loaded() -> None:
    """Exempt all objects that exist now from garbage collection. Call this once all modules are
    loaded: to look through their 170,000 objects again and again takes a tenth of a worker's time
    (docs/decisions/egress.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNGER, _YOUNGER)
