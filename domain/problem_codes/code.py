"""The declaration of a problem code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemCode:
    """A code that programs may rely on, and what docs/errors.md tells people about it.

    `status` is the HTTP status of an answer with this code; None for a code that stands only
    inside an answer: in a job's failure, at a row, at a member of a mapping. `other_status` is a
    second HTTP status of such answers; `meaning` then says when which of the two is sent.
    """

    code: str
    status: int | None
    meaning: str
    action: str
    other_status: int | None = None

    def status_of_answer(self, wanted: int | None = None) -> int:
        """The status to answer with. Raises ValueError where none, or another one, is declared."""
        status = self.status if wanted is None else wanted
        if status is None or status not in (self.status, self.other_status):
            raise ValueError(f"{self.code} is not declared with the HTTP status {status}")
        return status
