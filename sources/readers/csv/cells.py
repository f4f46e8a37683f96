"""What exporters add to cells so that a spreadsheet leaves them alone; taken off by columns."""

from collections import Counter

import polars as pl

from sources.readers.chunk import Chunk, Profile, columns_with

_FORMULA = '^="((?:[^"]|"")*)"$'  # ="00042" is how Excel is told that a number is text
_ESCAPED = "^'([-=+@])"
_NAMED = 10  # columns in a warning


def without_formulas(chunk: Chunk) -> Chunk:
    """Cells that are a formula of nothing but a text, as that text."""
    return _replaced(chunk, columns_with(chunk.frame, '="'), _FORMULA, '""')


class Escapes:
    """The apostrophe that ServiceNow writes before `=`, `+`, `-` and `@`, as delivered. An instance
    can have that off, and no cell shows whether it has, so it is said where one was taken off."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._cells = Counter[str]()

    def taken_off(self, chunk: Chunk) -> Chunk:
        columns = columns_with(chunk.frame, "'")
        for texts in columns:
            self._cells[texts.name] += int(texts.str.contains(_ESCAPED).sum())
        return _replaced(chunk, columns, _ESCAPED)

    def tell(self) -> None:
        """Say of the whole file where there was one."""
        found = [f"{name} ({count:,})" for name, count in self._cells.most_common() if count]
        if len(found) > _NAMED:
            found[_NAMED:] = [f"{len(found) - _NAMED} more"]
        if found:
            self._profile.warnings.append(
                "an apostrophe before =, +, - or @ was taken for ServiceNow's escape"
                f" (glide.export.escape_formulas) and left out of {self._cells.total():,} cells;"
                f" if that was off, it is the text's own: {', '.join(found)}"
            )


def _replaced(
    chunk: Chunk, columns: list[pl.Series], pattern: str, doubled: str | None = None
) -> Chunk:
    """The cells that match with what their group holds; in it, what is doubled stands for one."""
    if not columns:
        return chunk
    changed = [_without(each, pattern, doubled) for each in columns]
    return Chunk(chunk.frame.with_columns(changed), chunk.rejected)


def _without(texts: pl.Series, pattern: str, doubled: str | None) -> pl.Series:
    inner = texts.str.replace(pattern, "$1")
    if doubled is not None:
        inner = inner.str.replace_all(doubled, doubled[0], literal=True)
    return inner.zip_with(texts.str.contains(pattern), texts)
