"""What exporters add to cells so that a spreadsheet leaves them alone; taken off by columns."""

import polars as pl

from sources.batch import Batch

_FORMULA = '^="((?:[^"]|"")*)"$'  # ="00042" is how Excel is told that a number is text
_ESCAPED = "^'([-=+@])"


def without_formulas(batch: Batch) -> Batch:
    """Cells that are a formula of nothing but a text, as that text."""
    return _replaced(batch, '="', _FORMULA)


def without_escapes(batch: Batch) -> Batch:
    """Cells without the apostrophe that ServiceNow writes before `=`, `+`, `-` and `@`, as
    delivered (glide.export.escape_formulas)."""
    return _replaced(batch, "'", _ESCAPED)


def _replaced(batch: Batch, start: str, pattern: str) -> Batch:
    texts = [c for c in batch.frame.get_columns() if c.dtype == pl.String]
    odd = [each.name for each in texts if each.str.starts_with(start).any()]
    if not odd:
        return batch
    changed = (batch.frame[name].str.replace(pattern, "$1") for name in odd)
    return Batch(batch.frame.with_columns(*changed), batch.rejected)
