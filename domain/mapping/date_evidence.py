"""Collects what the dates of a file show about the order of day and month."""

import polars as pl

from domain.mapping.plan import Plan, Target
from domain.values.date_parts import two_way_dates
from domain.values.date_rules import DateEvidence


def date_evidence(frame: pl.DataFrame, plan: Plan) -> DateEvidence:
    """What the nn/nn/yyyy dates of a batch show about the order of day and month. All columns are
    read that fill a date field, except those for which the mapping names a format."""
    dated = filter(_reads_dates, plan.targets)
    unformatted = (each for each in dated if plan.dates_of(each).format is None)
    wanted = {name for each in unformatted for name in (each.source, *each.fallbacks)}
    columns = (frame[name] for name in frame.columns if name in wanted)
    return DateEvidence.total(map(two_way_dates, columns))


def _reads_dates(target: Target) -> bool:
    changed = target.transformation.options if target.transformation else ()
    return "date_format" in (*target.field.kind.options, *changed)
