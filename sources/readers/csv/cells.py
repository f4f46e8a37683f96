"""Remove from cells what exporters add to keep spreadsheets from interpreting them."""

from collections import Counter

import polars as pl

from sources.readers.chunk import Chunk, Profile, columns_with

_FORMULA = '^="((?:[^"]|"")*)"$'  # ="00042" makes Excel take a number for text
_ESCAPED = "^'([-=+@])"
_NAMED = 10  # columns that a warning names


def without_formulas(chunk: Chunk) -> Chunk:
    """Replace each cell that is a formula of one text, such as ="00042", with that text."""
    return _replaced(chunk, columns_with(chunk.frame, '="'), _FORMULA, '""')


class Escapes:
    """Takes off the apostrophe that ServiceNow writes before `=`, `+`, `-` and `@` by default. An
    instance can switch that off, and no cell shows whether it did, so a warning names the columns.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._cells = Counter[str]()

    def taken_off(self, chunk: Chunk) -> Chunk:
        columns = columns_with(chunk.frame, "'")
        for texts in columns:
            self._cells[texts.name] += int(texts.str.contains(_ESCAPED).sum())
        return _replaced(chunk, columns, _ESCAPED)

    def tell(self) -> None:
        """Add a warning to the profile that names the columns where an apostrophe was taken off."""
        found = [f"{name} ({count:,})" for name, count in self._cells.most_common() if count]
        if len(found) > _NAMED:
            found[_NAMED:] = [f"{len(found) - _NAMED} more"]
        if found:
            self._profile.warnings.append(
                "an apostrophe before =, +, - or @ was taken for ServiceNow's escape"
                f" (glide.export.escape_formulas) and left out of {self._cells.total():,} cells;"
                f" if that was off, it belongs to the text: {', '.join(found)}"
            )


def _replaced(
    chunk: Chunk, columns: list[pl.Series], pattern: str, doubled: str | None = None
) -> Chunk:
    """Replace each cell that matches the pattern with the pattern's group; within it, `doubled`
    (two equal characters) becomes one of them."""
    if not columns:
        return chunk
    changed = [_without(each, pattern, doubled) for each in columns]
    return Chunk(chunk.frame.with_columns(changed), chunk.rejected)


def _without(texts: pl.Series, pattern: str, doubled: str | None) -> pl.Series:
    inner = texts.str.replace(pattern, "$1")
    if doubled is not None:
        inner = inner.str.replace_all(doubled, doubled[0], literal=True)
    return inner.zip_with(texts.str.contains(pattern), texts)
