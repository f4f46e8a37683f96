"""Converts source texts into typed target columns. Imports polars: not for workflows or the API."""

import polars as pl

from domain.mapping.plan import Plan, Target
from domain.values.lookup import first_faults
from domain.values.reading import Converted


def convert(texts: pl.Series, target: Target, plan: Plan) -> Converted:
    """A String column as values of the target field; null stays null, without a fault."""
    kind, change, rules = target.field.kind, target.transformation, plan.rules_of(target)
    if texts.null_count() == len(texts):
        return Converted(pl.Series(texts.name, texts, kind.dtype(), strict=False))
    if change is None or kind not in change.kinds:
        return kind.convert(texts, rules)
    changed = change.apply(texts, rules)
    converted = kind.convert(changed.values, rules)
    return Converted(converted.values, first_faults(changed.faults, converted.faults))
