"""How fast a destination of an integration may be called."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` sends in `seconds`, evenly spaced."""

    count: int
    seconds: float

    @property
    def exact(self) -> float:
        """Seconds between sends as the vendor counts them."""
        return self.seconds / self.count

    @property
    def interval(self) -> float:
        """Seconds between sends as we keep them: 50 ms more than `exact`, because some requests
        take longer to arrive than others; but at least 5 % and at most 25 % more than `exact`."""
        return self.exact * max(1.05, min(1 + 0.05 / self.exact, 1.25))
