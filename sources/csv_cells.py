"""What exporters add to cells so that a spreadsheet leaves them alone; taken off by columns."""

import polars as pl

from sources.batch import Batch, columns_with

_FORMULA = '^="((?:[^"]|"")*)"$'  # ="00042" is how Excel is told that a number is text
_ESCAPED = "^'([-=+@])"


def without_formulas(batch: Batch) -> Batch:
    """Cells that are a formula of nothing but a text, as that text."""
    return _replaced(batch, '="', _FORMULA, '""')


def without_escapes(batch: Batch) -> Batch:
    """Cells without the apostrophe that ServiceNow writes before `=`, `+`, `-` and `@`, as
    delivered (glide.export.escape_formulas)."""
    return _replaced(batch, "'", _ESCAPED)


def _replaced(batch: Batch, start: str, pattern: str, doubled: str | None = None) -> Batch:
    """The cells that match with what their group holds; in it, what is doubled stands for one."""
    changed = [_without(each, pattern, doubled) for each in columns_with(batch.frame, start)]
    if not changed:
        return batch
    return Batch(batch.frame.with_columns(changed), batch.rejected)


def _without(texts: pl.Series, pattern: str, doubled: str | None) -> pl.Series:
    inner = texts.str.replace(pattern, "$1")
    if doubled is not None:
        inner = inner.str.replace_all(doubled, doubled[0], literal=True)
    return inner.zip_with(texts.str.contains(pattern), texts)
