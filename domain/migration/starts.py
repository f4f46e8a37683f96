"""When work that kills its process is given one of its own, and when it is given up.

A worker that dies takes everybody's work with it, and nobody is left to say whose fault it was.
So each start is written down before the work, and its end after it. A start without an end was a
death; after two of them without progress the job works in processes of its own, whose deaths the
worker survives and sees. Only those prove something, and three of them without progress end the
job. A worker that is killed from outside proves nothing and costs a job no more than that.
"""

from dataclasses import dataclass, replace

SHARED_DEATHS = 2
OWN_DEATHS = 3


@dataclass(frozen=True, slots=True)
class Starts:
    """What is remembered of a job from one start of its work to the next.

    `work` names what was started last, `done` what was done of it (chunks stored, batches
    committed). `open` names the process that works on it beside other work; it is None once the
    work has ended in order, or where a death of that process would prove nothing. A job that is
    `alone` once stays so to its end: what killed a worker twice will not kill it a third time.
    """

    work: str = ""
    done: int = 0
    open: str | None = None
    alone: bool = False
    shared_deaths: int = 0
    own_deaths: int = 0

    def begun(self, work: str, done: int, process: str | None) -> "Starts":
        """The work starts (again), in company in `process`, or confined (None)."""
        now = self._progressed(work, done)
        if self.open not in (None, process) and now.work == self.work and done <= self.done:
            now = replace(now, shared_deaths=now.shared_deaths + 1)
        alone = now.alone or now.shared_deaths >= SHARED_DEATHS
        return replace(now, alone=alone, open=None if alone else process)

    def ended(self, process: str, completed: bool) -> "Starts":
        """The work came to an end that somebody can tell of: it is done, or an error says why."""
        kept = Starts(self.work, self.done, alone=self.alone) if completed else self
        return replace(kept, open=None if self.open == process else self.open)

    def died(self, work: str, done: int) -> "Starts":
        """The process that the work had for itself was seen to die of it."""
        now = self._progressed(work, done)
        return replace(now, alone=True, open=None, own_deaths=now.own_deaths + 1)

    @property
    def hopeless(self) -> bool:
        return self.own_deaths >= OWN_DEATHS

    def _progressed(self, work: str, done: int) -> "Starts":
        if work == self.work and done <= self.done:
            return self
        return Starts(work, done, self.open, self.alone)
