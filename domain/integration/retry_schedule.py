"""What a retry schedule is, and the one that chat and paging share.

Those of e-mail and of webhooks are in integrations/email/channel.py and
integrations/webhook/channel.py.
"""

from dataclasses import dataclass

_HOUR = 3_600.0
# Seconds that a delivery lives unless its schedule says otherwise: more than the 75.6 hours over
# which Standard Webhooks 1.0 spreads its ten attempts.
USUAL_LIFE = 80 * 3600


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds to wait after the first, second … failed attempt; the last wait is repeated until
    the delivery is `lasts` seconds old, which is its deadline."""

    delays: tuple[float, ...]
    lasts: float = USUAL_LIFE

    def delay(self, failures: int) -> float:
        """Seconds to wait after that many failures, at least one."""
        return self.delays[min(failures, len(self.delays)) - 1]


# For chat and paging: goes on through an outage of days.
PROMPT = Schedule((5, 15, 60, 300, 900, 1_800, _HOUR, 7_200, 14_400))
