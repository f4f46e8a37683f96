"""What the words of typed columns mean: statuses, priorities and booleans."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

# Each value of the platform, with the words that mean it.
Vocabulary: TypeAlias = Mapping[T, tuple[str, ...]]

ANY = "*"  # the source value that stands for every value not named otherwise

_TRUE = "true 1 yes y on t active enabled vero wahr ja oui si sí sì verdadero verdadeiro sim vrai"
_FALSE = "false 0 no n off f inactive disabled falso falsch nein non não nao faux"
BOOLEAN_WORDS: Vocabulary[bool] = {True: tuple(_TRUE.split()), False: tuple(_FALSE.split())}

_SPELLINGS = {"canceled": "cancelled"}
PLANNING = 5  # the lowest priority of the platform's scale, and of ServiceNow's
PRIORITY_WORDS: Vocabulary[int] = {
    1: ("critical", "very high", "highest"),
    2: ("high",),
    3: ("medium", "moderate", "normal"),
    4: ("low", "lowest", "very low", "planning"),
}
# Possessive: else the time grows with the third power of the marks in a row, and one value with
# thousands of them would stop a whole process.
_MARKS = r"[\s.:()\[\]–—-]*+"
_PRIORITY = re.compile(
    rf"{_MARKS}(?:p?(?P<digit>[1-5])(?![0-9]|[.,][0-9]))?{_MARKS}"
    rf"(?:(?P<word>[^\W\d_](?:.*[^\W\d_])?){_MARKS}(?:p?[1-5])?)?{_MARKS}"
)
_LABEL = re.compile(r"[1-5]\s*[.:–—-]")


def fold(value: str) -> str:
    """The form in which words are compared: case folded, without space at either end."""
    return value.strip().casefold()


def underscored(value: str) -> str:
    """Several words as one name: `In  Progress` and ` in_progress` are in_progress."""
    return re.sub(r"[\s_]+", "_", fold(value))


def words_of(vocabulary: Vocabulary[T]) -> Iterator[tuple[str, T]]:
    """Each word of the vocabulary, with what it means."""
    return ((word, meaning) for meaning, words in vocabulary.items() for word in words)


_BOOLEANS, _PRIORITIES = dict(words_of(BOOLEAN_WORDS)), dict(words_of(PRIORITY_WORDS))


def boolean_of(value: str) -> bool | None:
    """The truth value of a word in English, German, French, Italian, Spanish or Portuguese; None
    if it has none."""
    return _BOOLEANS.get(fold(value))


def priority_of(value: str) -> int | None:
    """The priority, 1 (critical) to 4 (low), of such a digit or of a well-known word; else None.

    Where a word stands beside a digit, the word counts: the scales of Zammad (`1 low`) and Znuny
    (`5 very high`) run the other way. A digit beside an unknown word may therefore mean either.
    """
    digit, word = _priority_label(value)
    if word is not None:
        return _PRIORITIES.get(" ".join(word.split()))
    return digit if digit is not None and digit <= 4 else None


def labelled_priority_of(value: str) -> int | None:
    """Like `priority_of`, for ServiceNow, which displays `1 - Critical` to `5 - Planning`:
    administrators rename the words, so beside an unknown word the digit counts."""
    known, (digit, word) = priority_of(value), _priority_label(value)
    if known is not None or digit is None or word is None or not _LABEL.match(fold(value)):
        return known
    return priority_kept(digit)


def _priority_label(value: str) -> tuple[int | None, str | None]:
    """The digit and the word of a label such as `1 - Critical`; None for one that it lacks, and
    for both if the text holds anything else."""
    found = _PRIORITY.fullmatch(fold(value))
    if found is None:
        return None, None
    digit: str | None = found["digit"]
    return None if digit is None else int(digit), found["word"]


def priority_kept(target: int) -> int:
    """The stored priority, 1 to 4, for a priority of the platform's scale, 1 to 5."""
    return min(target, PLANNING - 1)


def status_spelt(status: str) -> str:
    """A status of the platform, in its spelling: `canceled` becomes `cancelled`."""
    return _SPELLINGS.get(status, status)


def status_of(value: str, statuses: Iterable[str]) -> str | None:
    """The status of the entity whose name the value is, in any case and with spaces for
    underscores: `In Progress` is in_progress. None if it is the name of none."""
    folded = underscored(value)
    if folded in statuses:
        return folded
    spelt = status_spelt(folded)
    return spelt if spelt in statuses else None


@dataclass(frozen=True, slots=True)
class Words(Generic[T]):
    """The meanings of a column's words: those that a mapping names (`exact`, `folded`) go before
    those that are `known`."""

    exact: dict[str, T]
    folded: dict[str, T]
    known: Callable[[str], T | None]

    @classmethod
    def build(cls, named: Iterable[tuple[str, T]], known: Callable[[str], T | None]) -> "Words[T]":
        """The words that a mapping has `named`, and those `known` without it. Of words named twice,
        the first one counts."""
        last_to_first = list(named)[::-1]
        folded = {fold(word): meaning for word, meaning in last_to_first}
        return cls(dict(last_to_first), folded, known)

    def meaning(self, value: str) -> T | None:
        """The meaning of a word; None if it has none. A mapping that names the word exactly goes
        first, then one that names it in other case or with other space at its ends, then one that
        names `*`, then what is known."""
        for words, key in ((self.exact, value), (self.folded, fold(value)), (self.exact, ANY)):
            if key in words:
                return words[key]
        return self.known(value)

    def default(self, value: str) -> T | None:
        """The meaning of a default. A default is a word of the target, so what is known goes first,
        and `*` does not override it."""
        known = self.known(value)
        return self.meaning(value) if known is None else known


def status_words(named: Iterable[tuple[str, str]], statuses: Iterable[str]) -> Words[str]:
    """The status words of an entity that has these statuses."""
    own = tuple(statuses)
    return Words.build(named, lambda value: status_of(value, own))


def priority_words(named: Iterable[tuple[str, int]]) -> Words[int]:
    """The priority words; the meanings are 1 to 4."""
    return Words.build(named, priority_of)
