"""Finds texts of a file that may mean something else; the preview lists them as remarks.

Imports polars: not for workflows or the API.
"""

from collections.abc import Iterator

import polars as pl

from domain.mapping.columns import ROW, source_texts
from domain.mapping.conversions import convert
from domain.mapping.kinds import PRIORITY
from domain.mapping.plan import Plan, Target
from domain.migration.remark import Remark, remark_on

# What programs write where there is nothing: SQL, JSON, pandas, Excel, mysqldump, and people.
_NULL_WORDS = (
    *("null", "(null)", "<null>", "nil", "none", "nan", "undefined", "\\n"),
    *("n/a", "#n/a", "?", "-", "--"),
)
_LONGEST = max(map(len, _NULL_WORDS))


def oddities(frame: pl.DataFrame, plan: Plan) -> Iterator[Remark]:
    """The remarks about the texts of a batch, under the plan that `map_columns` maps it by."""
    yield from _null_words(frame, plan)
    for target in plan.targets:
        if target.field.kind is PRIORITY:
            yield from _bare_digits(frame, target, plan)
        for name in target.fallbacks:
            yield from _filled_from(frame, target, name, plan)
        if target.field.kind.worded:
            # An instance may have given its codes other meanings; its display values show this.
            for name in (*target.fallbacks, f"{target.source}.display_value"):
                yield from _contradicted(frame, target, name, plan)


def _null_words(frame: pl.DataFrame, plan: Plan) -> Iterator[Remark]:
    read = plan.read_sources()
    names = [name for name in frame.columns if name in read]
    texts = pl.DataFrame([frame[name].alias(str(number)) for number, name in enumerate(names)])
    # Only different short texts are compared: there are few of them in most columns.
    short = pl.all().filter(pl.all().str.len_bytes() <= _LONGEST).unique()
    odd = texts.select(_is_null(short).any())
    for name in (name for name, each in zip(names, odd, strict=True) if each.item()):
        words = pl.DataFrame([frame[ROW], frame[name].alias("word")])
        word = pl.col("word")
        found = words.filter(_is_null(word) & ~word.is_in(plan.null_values))
        for (text,), part in found.group_by(["word"], maintain_order=True):
            detail = f"{name} is {text!r}; if that stands for nothing, add it to nullValues"
            yield remark_on(part[ROW], "null_word", detail, name)


def _is_null(texts: pl.Expr) -> pl.Expr:
    return texts.str.strip_chars().str.to_lowercase().is_in(_NULL_WORDS)


def _bare_digits(frame: pl.DataFrame, target: Target, plan: Plan) -> Iterator[Remark]:
    """Remarks on priorities that are a digit alone: in Freshservice and Autotask 4 is urgent, here
    it is low."""
    priorities = plan.rules.priorities
    unnamed = [word for word in "1234" if word not in priorities.folded]
    if not unnamed or "*" in priorities.exact:
        return
    texts = source_texts(frame, target.source, plan).str.strip_chars()
    found = frame[ROW].filter(texts.is_in(unnamed).fill_null(False))
    if not found.is_empty():
        detail = f"{target.source} is a digit, read as 1 (critical) to 4 (low); pass " + (
            "priorityMappings if the source counts the other way"
        )
        yield remark_on(found, "priority_scale", detail, target.field.name)


def _filled_from(frame: pl.DataFrame, target: Target, name: str, plan: Plan) -> Iterator[Remark]:
    """A remark on records whose field was filled from another column, as its own was empty."""
    field, texts = target.field.name, source_texts(frame, target.source, plan)
    if not texts.has_nulls():
        return
    filled = frame[ROW].filter(texts.is_null() & source_texts(frame, name, plan).is_not_null())
    if not filled.is_empty():
        detail = f"{target.source} is empty; {field} was filled from {name}"
        yield remark_on(filled, "filled_from_another", detail, field)


def _contradicted(frame: pl.DataFrame, target: Target, name: str, plan: Plan) -> Iterator[Remark]:
    """A remark on records in which another column contradicts the column of the field."""
    field, columns = target.field.name, (target.source, name)
    if not {*columns} <= {*frame.columns}:
        return
    texts = (source_texts(frame, each, plan) for each in columns)
    mine, others = (convert(each, target, plan).values for each in texts)
    contradicted = frame[ROW].filter((mine != others).fill_null(False))
    if not contradicted.is_empty():
        detail = f"{target.source} counts, but {name} has another {field}"
        yield remark_on(contradicted, "fields_disagree", detail, field)
