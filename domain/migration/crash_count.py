"""Decides when a job's work gets a process of its own, and when the job is given up.

A worker that dies takes the work of all jobs with it, and nothing tells which job killed it. So a
start is recorded before the work, and its end after it; a start without an end was a death. After
two deaths without progress, the job works in processes of its own, whose deaths the worker survives
and sees. Only those deaths prove that the job is the cause, and three of them without progress end
the job. A worker that is killed from outside proves nothing: all that it can cost a job is to work
in processes of its own from then on.
"""

from dataclasses import dataclass, replace

SHARED_DEATHS = 2
OWN_DEATHS = 3


@dataclass(frozen=True, slots=True)
class Starts:
    """What is remembered of a job from one start of its work to the next.

    `work` names the work that was started last, and `done` counts what was done of it (chunks
    stored, batches committed). `open` names the worker process that does the work beside that of
    other jobs; it is None once the work has ended, and while the work has a process of its own. A
    job that is `alone` stays so to its end, so that it cannot kill a third worker.
    """

    work: str = ""
    done: int = 0
    open: str | None = None
    alone: bool = False
    shared_deaths: int = 0
    own_deaths: int = 0

    def begun(self, work: str, done: int, process: str | None) -> "Starts":
        """The work starts, or starts again: in the worker process `process`, beside the work of
        other jobs, or in a process of its own (None)."""
        now = self._progressed(work, done)
        if self.open not in (None, process) and now.work == self.work and done <= self.done:
            now = replace(now, shared_deaths=now.shared_deaths + 1)
        alone = now.alone or now.shared_deaths >= SHARED_DEATHS
        return replace(now, alone=alone, open=None if alone else process)

    def ended(self, process: str, completed: bool) -> "Starts":
        """The work ended and `process` lives on: the work is `completed`, or an error ended it."""
        kept = Starts(self.work, self.done, alone=self.alone) if completed else self
        return replace(kept, open=None if self.open == process else self.open)

    def died(self, work: str, done: int) -> "Starts":
        """The process that the work had for itself died."""
        now = self._progressed(work, done)
        return replace(now, alone=True, open=None, own_deaths=now.own_deaths + 1)

    @property
    def hopeless(self) -> bool:
        """Whether the job is to be given up."""
        return self.own_deaths >= OWN_DEATHS

    def _progressed(self, work: str, done: int) -> "Starts":
        if work == self.work and done <= self.done:
            return self
        return Starts(work, done, self.open, self.alone)
