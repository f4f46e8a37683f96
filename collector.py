"""Python's garbage collector, made fit for a process that loads much and then works for long."""

import gc

_NEW_OBJECTS = 10_000  # after which the new ones are looked through; Python itself waits for few
_YOUNGER = 20  # rounds of the younger ones before the next older


def spare_loaded() -> None:
    """Call it once all is loaded. What there is then, 170,000 objects, stays to the end: looking
    through it again and again takes a tenth of a worker's time (docs/decisions/egress.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNGER, _YOUNGER)
