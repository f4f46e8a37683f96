"""How fast an integration may be called, and how often a delivery is tried."""

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
        """Seconds between sends as we count them: 50 ms more, as some take longer to arrive than
        others; at slow rates a twentieth more, at fast ones no more than a quarter."""
        return self.exact * max(1.05, min(1 + 0.05 / self.exact, 1.25))


LATEST_SECONDS = 80 * 3600  # the usual life of a delivery, whatever its vendor asks for


_HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds to wait after the first, second … failed attempt; the last wait is repeated until
    the delivery is `lasts` seconds old, which is its deadline."""

    delays: tuple[float, ...]
    lasts: float = LATEST_SECONDS

    def delay(self, failures: int) -> float:
        """The wait after that many failures, of which there is one at least."""
        return self.delays[min(failures, len(self.delays)) - 1]


# Chat and paging outlive an outage of days.
PROMPT = Schedule((5, 15, 60, 300, 900, 1_800, _HOUR, 7_200, 14_400))


# RFC 5321 4.5.4.1: "the give-up time generally needs to be at least 4-5 days"; its half an hour
# between attempts is for relays, whose mail nobody waits for.
MAIL = Schedule((5, 60, 300, 900, 1_800, _HOUR, 7_200, 14_400), 5 * 24 * _HOUR)


# Standard Webhooks 1.0: ten attempts in 75.6 hours.
PERSISTENT = Schedule((5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))
